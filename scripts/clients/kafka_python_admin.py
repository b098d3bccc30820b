"""The admin client of kafka-python, and moves within a subscription: `kafka_python_admin.py BOOTSTRAP`."""

import sys
import time
from pathlib import Path

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType, MemberToRemove, NewTopic, OffsetSpec
from kafka.errors import InvalidPartitionsError, OffsetOutOfRangeError, UnknownTopicOrPartitionError

import records as made_up
from members import Fleet
from records import SECONDS_MAX, expect, poll_until, require, run

BOOTSTRAP = sys.argv[1]
NOW_MS = int(time.time() * 1000)
PREFIX = f"kafka_python-admin-{NOW_MS}"
ADMIN = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
MEMBER = [sys.executable, str(Path(__file__).with_name("kafka_python_member.py"))]


def refused(error, step):
    try:
        step()
    except error:
        return
    raise AssertionError(f"was not refused with {error.__name__}")


def create(topic, partitions=1, configs=None):
    ADMIN.create_topics([NewTopic(topic, partitions, 1, topic_configs=configs or {})])
    poll_until(SECONDS_MAX, lambda: topic in ADMIN.list_topics())
    return topic


def write(topic, count, partition=0):
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP)
    try:
        sent = [producer.send(topic, b"%d" % n, partition=partition, timestamp_ms=NOW_MS + n) for n in range(count)]
        for future in sent:
            future.get(SECONDS_MAX)
    finally:
        producer.close(5)


def entry(topic, name):
    described = ADMIN.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    found = described["topic"][topic][name]
    return found["value"], str(found["config_source"]).rpartition(".")[2].upper()


def alter(topic, configs, **settings):
    return ADMIN.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs)], **settings)


def writes_idempotently():
    topic = create(f"{PREFIX}-idempotent")
    made = [r for r in made_up.records(topic, NOW_MS) if r.key is not None or r.value is not None]
    made = [r._replace(headers=[h for h in r.headers if h[1] is not None]) for r in made]
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, enable_idempotence=True, linger_ms=5)
    sent = [producer.send(topic, r.value, r.key, r.headers, 0, r.timestamp) for r in made]
    require([future.get(SECONDS_MAX).offset for future in sent] == list(range(len(made))), "offsets")
    producer.close(5)
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek_to_beginning()
    found, end = [], time.monotonic() + SECONDS_MAX
    while len(found) < len(made) and time.monotonic() < end:
        for messages in consumer.poll(500).values():
            found += [made_up.Record(m.key, m.value, [tuple(h) for h in m.headers], m.timestamp) for m in messages]
    consumer.close()
    expect(made, found)


def alters_configs_incrementally():
    topic, dynamic = create(f"{PREFIX}-incremental", configs={"retention.ms": "7000"}), "DYNAMIC_TOPIC_CONFIG"
    require(entry(topic, "retention.ms") == ("7000", dynamic), entry(topic, "retention.ms"))
    alter(topic, {"retention.ms": "8000", "cleanup.policy": (AlterConfigOp.APPEND, "compact")})
    poll_until(SECONDS_MAX, lambda: entry(topic, "retention.ms") == ("8000", dynamic))
    require(entry(topic, "cleanup.policy") == ("delete,compact", dynamic), entry(topic, "cleanup.policy"))
    alter(topic, {"retention.ms": (AlterConfigOp.DELETE, None), "cleanup.policy": (AlterConfigOp.SUBTRACT, "delete")})
    poll_until(SECONDS_MAX, lambda: entry(topic, "cleanup.policy") == ("compact", dynamic))
    require(entry(topic, "retention.ms") == ("604800000", "DEFAULT_CONFIG"), entry(topic, "retention.ms"))
    alter(topic, {"retention.ms": "1000"}, validate_only=True)
    require(entry(topic, "retention.ms")[0] == "604800000", "a request that should only be checked was carried out")
    said = alter(topic, {"retention.ms": "soon"})["topic"][topic]
    require("InvalidConfigurationError" in said, said)


def alters_configs_as_a_whole():
    """By AlterConfigs; this client fills in what was changed before, so nothing else moves."""
    topic, dynamic = create(f"{PREFIX}-whole", configs={"retention.ms": "7000"}), "DYNAMIC_TOPIC_CONFIG"
    alter(topic, {"max.message.bytes": "3000"}, incremental=False)
    poll_until(SECONDS_MAX, lambda: entry(topic, "max.message.bytes") == ("3000", dynamic))
    require(entry(topic, "retention.ms") == ("7000", dynamic), entry(topic, "retention.ms"))


def adds_partitions():
    topic = create(f"{PREFIX}-partitions", 2)
    ADMIN.create_partitions({topic: 5})
    poll_until(SECONDS_MAX, lambda: len(ADMIN.describe_topics([topic])[0]["partitions"]) == 5)
    write(topic, 3, partition=4)
    refused(InvalidPartitionsError, lambda: ADMIN.create_partitions({topic: 3}))


def deletes_records():
    topic, place = create(f"{PREFIX}-deleted"), TopicPartition(f"{PREFIX}-deleted", 0)
    write(topic, 100)
    deleted = ADMIN.delete_records({place: 40})
    require(deleted[place]["low_watermark"] == 40, deleted)
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, auto_offset_reset="earliest")
    require(consumer.beginning_offsets([place])[place] == 40, "the beginning did not move")
    consumer.assign([place])
    consumer.seek_to_beginning()
    messages = poll_until(SECONDS_MAX, lambda: consumer.poll(500).get(place))
    require(messages[0].offset == 40, f"the beginning is {messages[0].offset}")
    consumer.close()
    refused(OffsetOutOfRangeError, lambda: ADMIN.delete_records({place: 101}))


def lists_offsets():
    topic = create(f"{PREFIX}-offsets")
    write(topic, 50)
    place = TopicPartition(topic, 0)
    for spec, expected in [(OffsetSpec.EARLIEST, 0), (OffsetSpec.LATEST, 50), (OffsetSpec.MAX_TIMESTAMP, 49), (NOW_MS + 20, 20)]:
        found = ADMIN.list_partition_offsets({place: spec})[place]
        require(found.offset == expected, f"{spec}: {found.offset} instead of {expected}")


def describes_the_cluster():
    cluster = ADMIN.describe_cluster()
    addresses = [f"{node['host']}:{node['port']}" for node in cluster["brokers"]]
    require(addresses == [BOOTSTRAP] and cluster["cluster_id"], cluster)


def deletes_topics():
    topic = create(f"{PREFIX}-gone")
    ADMIN.delete_topics([topic])
    poll_until(SECONDS_MAX, lambda: topic not in ADMIN.list_topics())
    refused(UnknownTopicOrPartitionError, lambda: ADMIN.delete_topics([topic]))


def committed(group):
    return {place.partition: found.offset for place, found in ADMIN.list_group_offsets(group)[group].items() if found.offset >= 0}


def administers_groups():
    topic = group = create(f"{PREFIX}-groups", 2)
    write(topic, 30)
    fleet = Fleet(MEMBER, BOOTSTRAP, group=group, topic=topic)
    try:
        member = fleet.start(instance="only")
        fleet.settle({member: 2})
        poll_until(SECONDS_MAX, lambda: len(member.read()) == 30)
        described = poll_until(SECONDS_MAX, lambda: ADMIN.describe_groups([group]))[group]
        require((described["group_state"], described["protocol_data"]) == ("Stable", "range"), described)
        require([found["group_instance_id"] for found in described["members"]] == ["only"], described)
        mine = [found for found in ADMIN.list_groups(states_filter=["Stable"]) if found["group_id"] == group]
        require([found["group_type"].lower() for found in mine] == ["classic"], mine)
        require(dict(ADMIN.delete_groups([group]))[group] == "NonEmptyGroupError", "a group with a member was deleted")
        member.stop()
        removed = ADMIN.remove_group_members(group, [MemberToRemove(group_instance_id="only")])
        require([error.__name__ for error in removed.values()] == ["NoError"], removed)
    finally:
        fleet.discard()
    require(committed(group) == {0: 30}, committed(group))
    places = [TopicPartition(topic, partition) for partition in (0, 1)]
    ADMIN.alter_group_offsets(group, {places[0]: OffsetAndMetadata(12, "", -1), places[1]: OffsetAndMetadata(0, "", -1)})
    require(committed(group) == {0: 12, 1: 0}, committed(group))
    ADMIN.delete_group_offsets(group, [places[0]])
    require(committed(group) == {1: 0}, committed(group))
    require(dict(ADMIN.delete_groups([group]))[group] == "OK", "it was not deleted")
    require(group not in [found["group_id"] for found in ADMIN.list_groups()], "still listed")
    require(dict(ADMIN.delete_groups([group]))[group] == "GroupIdNotFoundError", "it was deleted twice")


def moves_within_its_subscription():
    """Seeks back and to the end, holds one partition and lets it go on."""
    topic = create(f"{PREFIX}-moves", 2)
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    for partition in (0, 1):
        write(topic, 30, partition)
    consumer = KafkaConsumer(
        topic, bootstrap_servers=BOOTSTRAP, group_id=topic, auto_offset_reset="earliest", enable_auto_commit=False
    )

    def read(count, seconds=SECONDS_MAX):
        found, end = [], time.monotonic() + seconds
        while len(found) < count and time.monotonic() < end:
            for messages in consumer.poll(200).values():
                found += [(message.partition, message.offset) for message in messages]
        return sorted(found)

    everything = [(partition, offset) for partition in (0, 1) for offset in range(30)]
    require(read(60) == everything, "the first reading")
    consumer.seek(first, 25)
    require(read(5) == [(0, offset) for offset in range(25, 30)], "after a seek to 25")
    consumer.pause(second)
    consumer.seek_to_beginning()
    require(read(31, seconds=3) == everything[:30], "a paused partition was read")
    consumer.resume(second)
    require(read(30) == everything[30:], "after the pause")
    consumer.seek_to_end(first)
    require(consumer.position(first) == 30, "the end")
    write(topic, 1)
    require(read(1) == [(0, 30)], "what came after the end")
    consumer.close()


run(
    [
        ("writes_idempotently", writes_idempotently),
        ("alters_configs_incrementally", alters_configs_incrementally),
        ("alters_configs_as_a_whole", alters_configs_as_a_whole),
        ("adds_partitions", adds_partitions),
        ("deletes_records", deletes_records),
        ("lists_offsets", lists_offsets),
        ("describes_the_cluster", describes_the_cluster),
        ("deletes_topics", deletes_topics),
        ("administers_groups", administers_groups),
        ("pauses_seeks_and_rewinds_in_a_group", moves_within_its_subscription),
    ]
)
