"""Reads whole partitions by assignment with confluent-kafka."""

import time

from confluent_kafka import Consumer, KafkaException, TopicPartition

from broker import BrokerFailed

READ_SECONDS_MAX = 180
LEADER_SECONDS_MAX = 20


def end_offset(consumer, partition):
    """The high watermark; a broker that has just started may say for a moment that nobody leads."""
    limit = time.monotonic() + LEADER_SECONDS_MAX
    while True:
        try:
            return consumer.get_watermark_offsets(partition, timeout=LEADER_SECONDS_MAX)[1]
        except KafkaException as error:
            known = error.args[0].retriable() or error.args[0].name() == "NOT_LEADER_FOR_PARTITION"
            if not known or time.monotonic() > limit:
                raise
        time.sleep(0.05)


def read(address, topic, first):
    """Everything from the offsets `first` ({partition: offset}) to the end that each partition has now:
    {partition: [(offset, key, value)]}. The order is the consumer's, whose offsets nobody has checked yet."""
    consumer = Consumer(
        {"bootstrap.servers": address, "group.id": "unused", "enable.auto.commit": False, "log_level": 0}
    )
    try:
        ends = {p: end_offset(consumer, TopicPartition(topic, p)) for p in first}
        found = {p: [] for p in first}
        consumer.assign([TopicPartition(topic, p, offset) for p, offset in first.items() if offset < ends[p]])
        unread, limit = {p for p in first if first[p] < ends[p]}, time.monotonic() + READ_SECONDS_MAX
        while unread:
            if time.monotonic() > limit:
                where = {p: (found[p][-1][0] if found[p] else None, ends[p]) for p in unread}
                raise BrokerFailed(f"not read within {READ_SECONDS_MAX} s; partition: (last offset, end) {where}")
            for message in consumer.consume(5000, 0.2):
                if message.error():
                    raise KafkaException(message.error())
                partition = message.partition()
                found[partition].append((message.offset(), message.key(), message.value()))
                if message.offset() >= ends[partition] - 1:
                    unread.discard(partition)
        return found
    finally:
        consumer.close()
