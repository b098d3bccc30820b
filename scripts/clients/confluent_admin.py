"""The admin client of confluent-kafka, and moves within a subscription: `confluent_admin.py BOOTSTRAP`."""

import sys
import time
from pathlib import Path

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from members import Fleet
from records import SECONDS_MAX, poll_until, require, run

BOOTSTRAP = sys.argv[1]
NOW_MS = int(time.time() * 1000)
PREFIX = f"confluent-admin-{NOW_MS}"
ADMIN = AdminClient({"bootstrap.servers": BOOTSTRAP})
MEMBER = [sys.executable, str(Path(__file__).with_name("confluent_member.py"))]


def results(futures):
    return {asked: future.result(SECONDS_MAX) for asked, future in futures.items()}


def refused(code, futures):
    """That the one thing asked was refused, and with which name of an error."""
    (future,) = futures.values()
    try:
        future.result(SECONDS_MAX)
    except KafkaException as error:
        require(error.args[0].name() == code, f"{error.args[0].name()} instead of {code}")
        return
    raise AssertionError(f"was not refused with {code}")


def create(topic, partitions=1, config=None):
    results(ADMIN.create_topics([NewTopic(topic, partitions, 1, config=config or {})]))
    # Until then a client may ask for a topic that its metadata does not have.
    poll_until(SECONDS_MAX, lambda: not ADMIN.list_topics(topic, timeout=SECONDS_MAX).topics[topic].error)
    return topic


def write(topic, count, partition=0):
    producer = Producer({"bootstrap.servers": BOOTSTRAP})
    for number in range(count):
        producer.produce(topic, b"%d" % number, partition=partition, timestamp=NOW_MS + number)
    require(producer.flush(SECONDS_MAX) == 0, "unanswered records")


def entry(topic, name):
    (found,) = results(ADMIN.describe_configs([ConfigResource(ResourceType.TOPIC, topic)])).values()
    return found[name].value, ConfigSource(found[name].source)


def change(name, value, operation):
    return ConfigEntry(name, value, incremental_operation=operation)


def alters_configs_incrementally():
    topic = create(f"{PREFIX}-incremental", config={"retention.ms": "7000"})
    require(entry(topic, "retention.ms") == ("7000", ConfigSource.DYNAMIC_TOPIC_CONFIG), entry(topic, "retention.ms"))
    require(entry(topic, "cleanup.policy") == ("delete", ConfigSource.DEFAULT_CONFIG), entry(topic, "cleanup.policy"))
    entries = [
        change("retention.ms", "8000", AlterConfigOpType.SET),
        change("cleanup.policy", "compact", AlterConfigOpType.APPEND),
    ]
    results(ADMIN.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)]))
    dynamic = ConfigSource.DYNAMIC_TOPIC_CONFIG
    poll_until(SECONDS_MAX, lambda: entry(topic, "retention.ms") == ("8000", dynamic))
    require(entry(topic, "cleanup.policy") == ("delete,compact", dynamic), entry(topic, "cleanup.policy"))
    entries = [
        change("cleanup.policy", "delete", AlterConfigOpType.SUBTRACT),
        change("retention.ms", None, AlterConfigOpType.DELETE),
    ]
    results(ADMIN.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)]))
    poll_until(SECONDS_MAX, lambda: entry(topic, "cleanup.policy") == ("compact", dynamic))
    require(entry(topic, "retention.ms") == ("604800000", ConfigSource.DEFAULT_CONFIG), entry(topic, "retention.ms"))


def alters_configs_as_a_whole():
    topic = create(f"{PREFIX}-whole", config={"retention.ms": "7000", "max.message.bytes": "2000"})
    results(ADMIN.alter_configs([ConfigResource(ResourceType.TOPIC, topic, set_config={"max.message.bytes": "3000"})]))
    dynamic = ConfigSource.DYNAMIC_TOPIC_CONFIG
    poll_until(SECONDS_MAX, lambda: entry(topic, "max.message.bytes") == ("3000", dynamic))
    # What the request leaves out is at its default again.
    require(entry(topic, "retention.ms") == ("604800000", ConfigSource.DEFAULT_CONFIG), entry(topic, "retention.ms"))


def refuses_bad_configs():
    topic = create(f"{PREFIX}-bad")
    bad = [change("retention.ms", "soon", AlterConfigOpType.SET)]
    refused(
        "INVALID_CONFIG", ADMIN.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=bad)])
    )
    good = [change("retention.ms", "5000", AlterConfigOpType.SET)]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=good)
    results(ADMIN.incremental_alter_configs([resource], validate_only=True))
    require(entry(topic, "retention.ms")[0] == "604800000", "a request that should only be checked was carried out")


def adds_partitions():
    topic = create(f"{PREFIX}-partitions", 2)
    results(ADMIN.create_partitions([NewPartitions(topic, 5)]))

    def partitions():
        return results(ADMIN.describe_topics(TopicCollection([topic])))[topic].partitions

    poll_until(SECONDS_MAX, lambda: [p.id for p in partitions()] == [0, 1, 2, 3, 4])
    require(all(len(p.replicas) == 1 and p.leader.id == p.replicas[0].id for p in partitions()), partitions())
    poll_until(SECONDS_MAX, lambda: len(ADMIN.list_topics(topic, timeout=SECONDS_MAX).topics[topic].partitions) == 5)
    write(topic, 3, partition=4)
    refused("INVALID_PARTITIONS", ADMIN.create_partitions([NewPartitions(topic, 3)]))


def deletes_records():
    topic = create(f"{PREFIX}-deleted")
    write(topic, 100)
    deleted = results(ADMIN.delete_records([TopicPartition(topic, 0, 40)]))
    require([d.low_watermark for d in deleted.values()] == [40], deleted)
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused", "auto.offset.reset": "earliest"})
    require(consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=SECONDS_MAX) == (40, 100), "watermarks")
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    message = poll_until(SECONDS_MAX, lambda: consumer.poll(1))
    require(message.offset() == 40, f"the beginning is {message.offset()}")
    consumer.close()
    refused("OFFSET_OUT_OF_RANGE", ADMIN.delete_records([TopicPartition(topic, 0, 101)]))
    deleted = results(ADMIN.delete_records([TopicPartition(topic, 0, OFFSET_END)]))
    require([d.low_watermark for d in deleted.values()] == [100], deleted)


def lists_offsets():
    topic = create(f"{PREFIX}-offsets")
    write(topic, 50)
    place = TopicPartition(topic, 0)
    cases = [
        (OffsetSpec.earliest(), 0),
        (OffsetSpec.latest(), 50),
        (OffsetSpec.for_timestamp(NOW_MS + 20), 20),
        (OffsetSpec.max_timestamp(), 49),
    ]
    for spec, expected in cases:
        (found,) = results(ADMIN.list_offsets({place: spec})).values()
        require(found.offset == expected, f"{type(spec).__name__}: {found.offset} instead of {expected}")


def describes_the_cluster():
    cluster = ADMIN.describe_cluster().result(SECONDS_MAX)
    addresses = [f"{node.host}:{node.port}" for node in cluster.nodes]
    require(addresses == [BOOTSTRAP] and cluster.controller and cluster.cluster_id, f"{addresses} {cluster.cluster_id}")


def deletes_topics():
    topic = create(f"{PREFIX}-gone")
    results(ADMIN.delete_topics([topic]))
    poll_until(SECONDS_MAX, lambda: topic not in ADMIN.list_topics(timeout=SECONDS_MAX).topics)
    refused("UNKNOWN_TOPIC_OR_PART", ADMIN.delete_topics([topic]))


def committed(group):
    (found,) = results(ADMIN.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])).values()
    return {place.partition: place.offset for place in found.topic_partitions}


def administers_groups(protocol):
    def check():
        topic = create(f"{PREFIX}-groups-{protocol}", 2)
        group = topic
        write(topic, 30)
        fleet = Fleet(MEMBER, BOOTSTRAP, group=group, topic=topic, protocol=protocol)
        try:
            member = fleet.start()
            fleet.settle({member: 2})
            poll_until(SECONDS_MAX, lambda: len(member.read()) == 30)
            described = results(ADMIN.describe_consumer_groups([group]))[group]
            require(described.state == ConsumerGroupState.STABLE, described.state)
            require(described.partition_assignor == ("range" if protocol == "classic" else "uniform"), described.partition_assignor)
            assigned = [sorted(p.partition for p in m.assignment.topic_partitions) for m in described.members]
            require(assigned == [[0, 1]], assigned)
            require(described.members[0].host.strip("/") == "127.0.0.1" and described.coordinator.port, described.members)
            refused("NON_EMPTY_GROUP", ADMIN.delete_consumer_groups([group]))
            listed = ADMIN.list_consumer_groups(states={ConsumerGroupState.STABLE}).result(SECONDS_MAX)
            (mine,) = [found for found in listed.valid if found.group_id == group]
            require(mine.type.name.lower() == protocol and not mine.is_simple_consumer_group, mine.type)
            member.stop()
        finally:
            fleet.discard()
        require(committed(group) == {0: 30}, committed(group))
        moved = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 12), TopicPartition(topic, 1, 0)])
        results(ADMIN.alter_consumer_group_offsets([moved]))
        require(committed(group) == {0: 12, 1: 0}, committed(group))
        results(ADMIN.delete_consumer_groups([group]))
        listed = ADMIN.list_consumer_groups().result(SECONDS_MAX)
        require(group not in [found.group_id for found in listed.valid], "still listed")
        refused("GROUP_ID_NOT_FOUND", ADMIN.delete_consumer_groups([group]))

    return check


def moves_within_its_subscription(protocol):
    """Seeks back and to the end, holds one partition and lets it go on."""

    def check():
        topic = create(f"{PREFIX}-moves-{protocol}", 2)
        for partition in (0, 1):
            write(topic, 30, partition)
        settings = {"group.id": topic, "group.protocol": protocol, "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50}
        consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "enable.auto.commit": False, **settings})
        consumer.subscribe([topic])

        def read(count, seconds=SECONDS_MAX):
            found, end = [], time.monotonic() + seconds
            while len(found) < count and time.monotonic() < end:
                message = consumer.poll(0.2)
                if message is not None:
                    require(not message.error(), message.error())
                    found.append((message.partition(), message.offset()))
            return sorted(found)

        everything = [(partition, offset) for partition in (0, 1) for offset in range(30)]
        require(read(60) == everything, "the first reading")
        consumer.seek(TopicPartition(topic, 0, 25))
        require(read(5) == [(0, offset) for offset in range(25, 30)], "after a seek to 25")
        consumer.pause([TopicPartition(topic, 1)])
        for partition in (0, 1):
            consumer.seek(TopicPartition(topic, partition, OFFSET_BEGINNING))
        require(read(31, seconds=3) == everything[:30], "a paused partition was read")
        consumer.resume([TopicPartition(topic, 1)])
        require(read(30) == everything[30:], "after the pause")
        consumer.seek(TopicPartition(topic, 0, OFFSET_END))
        require(read(1, seconds=1) == [], "at the end")
        write(topic, 1)
        require(read(1) == [(0, 30)], "what came after the end")
        consumer.close()

    return check


run(
    [
        ("alters_configs_incrementally", alters_configs_incrementally),
        ("alters_configs_as_a_whole", alters_configs_as_a_whole),
        ("refuses_bad_configs", refuses_bad_configs),
        ("adds_partitions", adds_partitions),
        ("deletes_records", deletes_records),
        ("lists_offsets", lists_offsets),
        ("describes_the_cluster", describes_the_cluster),
        ("deletes_topics", deletes_topics),
        ("administers_classic_groups", administers_groups("classic")),
        ("administers_consumer_groups", administers_groups("consumer")),
        ("pauses_seeks_and_rewinds_in_a_classic_group", moves_within_its_subscription("classic")),
        ("pauses_seeks_and_rewinds_in_a_consumer_group", moves_within_its_subscription("consumer")),
    ]
)
