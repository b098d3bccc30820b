"""Kafka Streams' word count against Corelog: `streams.py [--lines N] [--cores LIST]`.

The input comes in two halves. Between them the application is stopped and its state removed, so that the second half counts on
from what it restores of the compacted changelog. Every count of every word must be in the output, once and in order.
"""

import argparse
import random
import shutil
import struct
import sys
from collections import Counter, defaultdict

from apps import Checks, broker_and_app, wait_for
from broker import cores_default
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

INPUT, OUTPUT = "streams-plaintext-input", "streams-wordcount-output"
STORE = "streams-wordcount-KSTREAM-AGGREGATE-STATE-STORE-0000000003"
PARTITIONS = 2
WORDS = [f"word{number}" for number in range(50)]
WORDS_PER_LINE = 5
COUNT_SECONDS_MAX = 120


def properties(address, work):
    return {
        "bootstrap.servers": address,
        "state.dir": work / "state",
        "processing.guarantee": "at_least_once",
        "commit.interval.ms": 200,
        "repartition.purge.interval.ms": 500,
        "session.timeout.ms": 10000,
        # Segments smaller than Apache Kafka takes, so that the changelog is compacted while the application runs.
        "topic.segment.bytes": 16384,
        "topic.min.cleanable.dirty.ratio": 0.01,
    }


def lines_of(seed, count):
    chosen = random.Random(seed)
    return [" ".join(chosen.choices(WORDS, k=WORDS_PER_LINE)) for _ in range(count)]


def produce(address, lines):
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True})
    for line in lines:
        producer.produce(INPUT, line)
        producer.poll(0)
    producer.flush(60)


class Reader:
    """All that a topic has and gets."""

    def __init__(self, address, topic, partitions):
        self.consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "enable.auto.commit": False})
        self.consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        self.counts = defaultdict(list)
        self.read = 0

    def more(self, seconds=0.5):
        while messages := self.consumer.consume(1000, seconds):
            for message in messages:
                if message.error():
                    raise RuntimeError(message.error())
                self.read += 1
                self.counts[message.key().decode()].append(struct.unpack(">q", message.value())[0])
        return self.counts

    def close(self):
        self.consumer.close()


def misses(counts, expected):
    """What is wrong with the output."""
    for word in sorted(set(counts) | set(expected)):
        if counts.get(word, []) != list(range(1, expected[word] + 1)):
            got = counts.get(word, [])
            return f"{word} occurs {expected[word]} times; its counts are {len(got)}, from {got[:1]} to {got[-1:]}"
    return ""


def config_of(admin, topic, name):
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return admin.describe_configs([resource])[resource].result(30)[name].value


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lines", type=int, default=4000)
    arguments.add_argument("--cores", default=cores_default())
    given = arguments.parse_args()
    check = Checks()
    options = ["group.initial.rebalance.delay.ms=0", "log.cleaner.backoff.ms=200"]
    word_count = "org.apache.kafka.streams.examples.wordcount.WordCountDemo"
    with broker_and_app(given.cores, options, word_count, properties) as (broker, app):
        admin = AdminClient({"bootstrap.servers": broker.address})
        new = [NewTopic(INPUT, PARTITIONS), NewTopic(OUTPUT, PARTITIONS, config={"cleanup.policy": "compact"})]
        for future in admin.create_topics(new).values():
            future.result(30)
        output = Reader(broker.address, OUTPUT, PARTITIONS)
        lines = lines_of(7, given.lines)
        half = len(lines) // 2
        for name, part, until in [
            ("the first half is counted", lines[:half], half),
            ("the second half is counted on from the changelog", lines[half:], len(lines)),
        ]:
            app.start()
            produce(broker.address, part)
            total = until * WORDS_PER_LINE
            wait_for(lambda: sum(map(len, output.more().values())) >= total, COUNT_SECONDS_MAX, name)
            app.stop()
            # Something more than the input would come until here.
            check(name, misses(output.more(), Counter(" ".join(lines[:until]).split())))
            shutil.rmtree(app.work / "state")
        output.close()
        expected = Counter(" ".join(lines).split())

        changelog = f"{STORE}-changelog"
        policy = config_of(admin, changelog, "cleanup.policy")
        check("the changelog is a compacted topic", "" if policy == "compact" else f"cleanup.policy is {policy}")

        def compacted():
            reader = Reader(broker.address, changelog, PARTITIONS)
            counts, read = reader.more(1), reader.read
            reader.close()
            return read < len(lines) * WORDS_PER_LINE // 2 and (counts, read)

        counts, read = wait_for(compacted, COUNT_SECONDS_MAX, "the changelog is compacted")
        wrong = [word for word in expected if counts[word][-1:] != [expected[word]] or counts[word] != sorted(counts[word])]
        check("the compacted changelog has the last count of every word", ", ".join(wrong))
        print(f"# {read} of {len(lines) * WORDS_PER_LINE} records are left in the changelog")

        consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "marks"})
        starts = [
            consumer.get_watermark_offsets(TopicPartition(f"{STORE}-repartition", number), 30)[0] for number in range(PARTITIONS)
        ]
        consumer.close()
        check("what was counted is deleted from the repartition topic", "" if max(starts) > 0 else f"it starts at {starts}")
    sys.exit(0 if check.passed else 1)


main()
