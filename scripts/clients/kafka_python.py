"""kafka-python (a codec of its own, strict about ApiVersions): `kafka_python.py BOOTSTRAP`."""

import sys
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

import records as made_up
from records import CODECS, SECONDS_MAX, Record, expect, poll_until, require, run

BOOTSTRAP = sys.argv[1]
NOW_MS = int(time.time() * 1000)
PREFIX = f"kafka_python-{NOW_MS}"


def records(seed, now_ms):
    """This client sends no record without key and value, and no header without a value."""
    made = [r for r in made_up.records(seed, now_ms) if r.key is not None or r.value is not None]
    return [r._replace(headers=[h for h in r.headers if h[1] is not None]) for r in made]


def create(topic, partitions=1):
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    try:
        admin.create_topics([NewTopic(topic, partitions, 1)], timeout_ms=SECONDS_MAX * 1000)
    finally:
        admin.close()


def write(topic, made, **settings):
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, enable_idempotence=False, linger_ms=5, **settings)
    try:
        sent = [producer.send(topic, r.value, r.key, r.headers, 0, r.timestamp) for r in made]
        producer.flush(SECONDS_MAX)
        return [future.get(SECONDS_MAX).offset for future in sent]
    finally:
        producer.close(5)


def read(topic, count, seek):
    """Reads `count` records of partition 0 by assignment; `seek(consumer, partition)` says from where."""
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP, enable_auto_commit=False)
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        seek(consumer, partition)
        found, end = [], time.monotonic() + SECONDS_MAX
        while len(found) < count and time.monotonic() < end:
            for messages in consumer.poll(500).values():
                found += [Record(m.key, m.value, [tuple(h) for h in m.headers], m.timestamp) for m in messages]
        return found[:count]
    finally:
        consumer.close()


def from_beginning(consumer, partition):
    consumer.seek_to_beginning(partition)


def codec(name):
    topic, made = f"{PREFIX}-{name}", records(name, NOW_MS)

    def writes():
        create(topic)
        offsets = write(topic, made, compression_type=None if name == "none" else name, acks="all")
        require(offsets == list(range(len(made))), f"offsets acknowledged: {offsets[:5]}…")

    def reads():
        expect(made, read(topic, len(made), from_beginning))

    return [(f"{name}_is_written", writes), (f"{name}_is_read_byte_for_byte", reads)]


def reads_from_an_offset():
    made = records("none", NOW_MS)
    expect(made[123:133], read(f"{PREFIX}-none", 10, lambda consumer, partition: consumer.seek(partition, 123)))


def finds_offsets_by_time():
    consumer = KafkaConsumer(bootstrap_servers=BOOTSTRAP)
    made, partition = records("lz4", NOW_MS), TopicPartition(f"{PREFIX}-lz4", 0)
    for timestamp, expected in [(0, 0), (made[200].timestamp, 200), (made[200].timestamp + 1, 201)]:
        found = consumer.offsets_for_times({partition: timestamp})[partition]
        require(found and found.offset == expected, f"{timestamp}: {found} instead of {expected}")
        require(found.timestamp == made[expected].timestamp, f"{timestamp}: {found}")
    beyond = consumer.offsets_for_times({partition: NOW_MS + 10**7})[partition]
    require(beyond is None, f"beyond the end: {beyond}")
    consumer.close()


def knows_the_watermarks():
    consumer, partition = KafkaConsumer(bootstrap_servers=BOOTSTRAP), TopicPartition(f"{PREFIX}-gzip", 0)
    low, high = consumer.beginning_offsets([partition])[partition], consumer.end_offsets([partition])[partition]
    require((low, high) == (0, len(records("gzip", NOW_MS))), f"low {low}, high {high}")
    consumer.close()


def writes_with(acks):
    def check():
        topic, made = f"{PREFIX}-acks-{acks}", records("acks", NOW_MS)
        create(topic)
        write(topic, made, acks=acks)
        expect(made, read(topic, len(made), from_beginning))

    return check


def creates_lists_and_deletes_topics():
    topic = f"{PREFIX}-listed"
    create(topic, 3)
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    try:
        poll_until(SECONDS_MAX, lambda: topic in admin.list_topics())
        described = admin.describe_topics([topic])[0]
        require(len(described["partitions"]) == 3, described)
        admin.delete_topics([topic], timeout_ms=SECONDS_MAX * 1000)
        poll_until(SECONDS_MAX, lambda: topic not in admin.list_topics())
    finally:
        admin.close()


run(
    [check for name in CODECS for check in codec(name)]
    + [
        ("reads_from_an_offset", reads_from_an_offset),
        ("finds_offsets_by_time", finds_offsets_by_time),
        ("knows_the_watermarks", knows_the_watermarks),
        ("writes_with_acks_0", writes_with(0)),
        ("writes_with_acks_1", writes_with(1)),
        ("creates_lists_and_deletes_topics", creates_lists_and_deletes_topics),
    ]
)
