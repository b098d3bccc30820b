"""confluent-kafka (librdkafka): `confluent.py BOOTSTRAP`. Also reads what the other clients wrote before."""

import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from records import CODECS, SECONDS_MAX, Record, Skip, expect, poll_until, records, require, run

BOOTSTRAP = sys.argv[1]
NOW_MS = int(time.time() * 1000)
PREFIX = f"confluent-{NOW_MS}"
ADMIN = AdminClient({"bootstrap.servers": BOOTSTRAP})


def create(topic, partitions=1):
    for future in ADMIN.create_topics([NewTopic(topic, partitions, 1)], request_timeout=SECONDS_MAX).values():
        future.result()


def write(topic, made, settings):
    """Writes the records to partition 0 and returns the offsets that were acknowledged."""
    offsets, errors = [], []

    def delivered(error, message):
        if error:
            errors.append(error)
        else:
            offsets.append(message.offset())

    producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 5, "message.timeout.ms": SECONDS_MAX * 1000, **settings})
    for record in made:
        producer.produce(
            topic,
            record.value,
            record.key,
            partition=0,
            on_delivery=delivered,
            timestamp=record.timestamp,
            headers=record.headers,
        )
        producer.poll(0)
    left = producer.flush(SECONDS_MAX)
    require(left == 0 and not errors, f"{left} unanswered, first error {errors[:1]}")
    return offsets


def read(topic, offset, count, settings=None):
    """Reads `count` records of partition 0 from an offset by assignment; offsets must be dense."""
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused", "enable.auto.commit": False, **(settings or {})})
    try:
        consumer.assign([TopicPartition(topic, 0, offset)])
        found, end = [], time.monotonic() + SECONDS_MAX
        expected = max(offset, 0)
        while len(found) < count and time.monotonic() < end:
            message = consumer.poll(0.5)
            if message is None:
                continue
            require(not message.error(), message.error())
            require(message.offset() == expected, f"offset {message.offset()} instead of {expected}")
            expected += 1
            found.append(Record(message.key(), message.value(), message.headers() or [], message.timestamp()[1]))
        return found
    finally:
        consumer.close()


def codec(name):
    topic, made = f"{PREFIX}-{name}", records(name, NOW_MS)

    def writes():
        create(topic)
        offsets = write(topic, made, {"compression.type": name, "enable.idempotence": False, "acks": "all"})
        require(sorted(offsets) == list(range(len(made))), f"offsets acknowledged: {offsets[:5]}…")

    def reads():
        expect(made, read(topic, OFFSET_BEGINNING, len(made)))

    return [(f"{name}_is_written", writes), (f"{name}_is_read_byte_for_byte", reads)]


def reads_from_an_offset():
    made = records("none", NOW_MS)
    expect(made[123:133], read(f"{PREFIX}-none", 123, 10))


def reads_with_small_fetches():
    made = records("zstd", NOW_MS)
    expect(made, read(f"{PREFIX}-zstd", 0, len(made), {"fetch.message.max.bytes": 1000, "fetch.wait.max.ms": 50}))


def finds_offsets_by_time():
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused", "enable.auto.commit": False})
    made = records("lz4", NOW_MS)
    cases = [(0, 0), (made[200].timestamp, 200), (made[200].timestamp + 1, 201), (made[-1].timestamp, len(made) - 1)]
    for timestamp, expected in cases:
        asked = TopicPartition(f"{PREFIX}-lz4", 0, timestamp)
        found = consumer.offsets_for_times([asked], timeout=SECONDS_MAX)[0]
        require(not found.error and found.offset == expected, f"{timestamp}: offset {found.offset}, not {expected}; {found.error}")
    beyond = consumer.offsets_for_times([TopicPartition(f"{PREFIX}-lz4", 0, NOW_MS + 10**7)], timeout=SECONDS_MAX)[0]
    require(beyond.offset in (-1, len(made)), f"beyond the end: offset {beyond.offset}")
    consumer.close()


def knows_the_watermarks():
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused", "enable.auto.commit": False})
    low, high = consumer.get_watermark_offsets(TopicPartition(f"{PREFIX}-gzip", 0), timeout=SECONDS_MAX)
    require((low, high) == (0, len(records("gzip", NOW_MS))), f"low {low}, high {high}")
    consumer.close()


def writes_with(acks):
    topic, made = f"{PREFIX}-acks-{acks}", records("acks", NOW_MS)

    def check():
        create(topic)
        write(topic, made, {"enable.idempotence": False, "acks": acks})
        expect(made, read(topic, OFFSET_BEGINNING, len(made)))

    return check


def writes_idempotently():
    topic, made = f"{PREFIX}-idempotent", records("idempotent", NOW_MS)
    create(topic)
    probe = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "message.timeout.ms": 10_000})
    refused = []
    probe.produce(topic, b"probe", partition=0, on_delivery=lambda error, _: refused.append(error))
    probe.flush(SECONDS_MAX)
    fatal = (KafkaError._UNSUPPORTED_FEATURE, KafkaError._FATAL)
    if refused and refused[0] and refused[0].code() in fatal:
        raise Skip("this broker offers no InitProducerId yet")
    require(refused == [None], f"probe: {refused}")
    write(topic, made, {"enable.idempotence": True})
    expect(made, read(topic, 1, len(made)))


def creates_lists_and_deletes_topics():
    topic = f"{PREFIX}-listed"
    create(topic, 3)
    found = poll_until(SECONDS_MAX, lambda: ADMIN.list_topics(timeout=SECONDS_MAX).topics.get(topic))
    require(sorted(found.partitions) == [0, 1, 2], f"partitions {sorted(found.partitions)}")
    try:
        create(topic, 3)
        raise AssertionError("the same topic was created twice")
    except Exception as error:
        require("TOPIC_ALREADY_EXISTS" in str(error), error)
    for future in ADMIN.delete_topics([topic], operation_timeout=SECONDS_MAX).values():
        future.result()
    poll_until(SECONDS_MAX, lambda: topic not in ADMIN.list_topics(timeout=SECONDS_MAX).topics)


def reads_partitions_side_by_side():
    topic, per_partition = f"{PREFIX}-many", 50
    create(topic, 5)
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": False})
    for i in range(5 * per_partition):
        producer.produce(topic, b"%d" % i, partition=i % 5)
    require(producer.flush(SECONDS_MAX) == 0, "unanswered records")
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(5)])
    found, end = {p: [] for p in range(5)}, time.monotonic() + SECONDS_MAX
    while sum(map(len, found.values())) < 5 * per_partition and time.monotonic() < end:
        message = consumer.poll(0.5)
        if message is not None:
            require(not message.error(), message.error())
            found[message.partition()].append(int(message.value()))
    consumer.close()
    for partition, numbers in found.items():
        require(numbers == list(range(partition, 5 * per_partition, 5)), f"partition {partition}: {numbers[:8]}…")


def reads_what_others_wrote():
    """Every topic `CLIENT-NUMBER-CODEC` of another client decompresses and is dense."""
    topics = [t for t in ADMIN.list_topics(timeout=SECONDS_MAX).topics if t.rsplit("-", 1)[-1] in CODECS]
    others = [t for t in topics if not t.startswith("confluent-")]
    if not others:
        raise Skip("nobody else has written")
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "unused", "enable.auto.commit": False})
    for topic in others:
        _, high = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=SECONDS_MAX)
        found = read(topic, 0, high)
        require(high > 0 and len(found) == high, f"{topic}: {len(found)} of {high}")
    consumer.close()


run(
    [check for name in CODECS for check in codec(name)]
    + [
        ("reads_from_an_offset", reads_from_an_offset),
        ("reads_with_small_fetches", reads_with_small_fetches),
        ("finds_offsets_by_time", finds_offsets_by_time),
        ("knows_the_watermarks", knows_the_watermarks),
        ("writes_with_acks_0", writes_with("0")),
        ("writes_with_acks_1", writes_with("1")),
        ("writes_idempotently", writes_idempotently),
        ("creates_lists_and_deletes_topics", creates_lists_and_deletes_topics),
        ("reads_partitions_side_by_side", reads_partitions_side_by_side),
        ("reads_what_others_wrote", reads_what_others_wrote),
    ]
)
