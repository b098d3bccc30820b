"""A member of a group by confluent-kafka: see members.py."""

import json
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

BOOTSTRAP, SETTINGS = sys.argv[1], json.loads(sys.argv[2])
TOPIC = SETTINGS["topic"]
stopping = threading.Event()
fatal = []
# Partition → the offset after the last one read, where that is not committed in order yet.
positions = {}
# The same, of what is not committed yet.
pending = {}
committed_at = 0.0


def say(event, **facts):
    print(json.dumps({"event": event, "at": time.monotonic(), **facts}), flush=True)


def numbers(partitions):
    return sorted(partition.partition for partition in partitions)


def assigned(consumer, partitions):
    say("assigned", partitions=numbers(partitions))


def revoked(consumer, partitions):
    pending.clear()
    owned = [TopicPartition(p.topic, p.partition, positions.pop(p.partition)) for p in partitions if p.partition in positions]
    if owned and SETTINGS["commit"] != "auto":
        for committed in consumer.commit(offsets=owned, asynchronous=False):
            if committed.error:
                say("error", name=committed.error.name())
    say("revoked", partitions=numbers(partitions))


def lost(consumer, partitions):
    pending.clear()
    for partition in partitions:
        positions.pop(partition.partition, None)
    say("lost", partitions=numbers(partitions))


def note_if_fatal(error):
    if error.fatal() or error.code() == KafkaError._FATAL:
        fatal.append(f"{error.name()}: {error.str()}")


config = {
    "bootstrap.servers": BOOTSTRAP,
    "group.id": SETTINGS["group"],
    "group.protocol": SETTINGS["protocol"],
    "auto.offset.reset": "earliest",
    "enable.auto.commit": SETTINGS["commit"] == "auto",
    "auto.commit.interval.ms": 200,
    "fetch.wait.max.ms": 100,
    "topic.metadata.refresh.interval.ms": 1000,
    "error_cb": note_if_fatal,
}
if SETTINGS["protocol"] == "classic":
    config["partition.assignment.strategy"] = SETTINGS["assignor"]
    config["session.timeout.ms"] = SETTINGS["session_ms"]
    config["heartbeat.interval.ms"] = 500
if SETTINGS["instance"]:
    config["group.instance.id"] = SETTINGS["instance"]
threading.Thread(target=lambda: (sys.stdin.readline(), stopping.set()), daemon=True).start()
consumer = Consumer(config)
consumer.subscribe([TOPIC], on_assign=assigned, on_revoke=revoked, on_lost=lost)
while not stopping.is_set() and not fatal:
    try:
        message = consumer.poll(0.1)
    except KafkaException as error:
        note_if_fatal(error.args[0])
        continue
    # Not after each record, or a slow disk would set the pace.
    if SETTINGS["commit"] in ("sync", "async") and pending and (message is None or time.monotonic() - committed_at > 0.05):
        committed_at = time.monotonic()
        try:
            consumer.commit(offsets=list(pending.values()), asynchronous=SETTINGS["commit"] == "async")
            pending.clear()
        except KafkaException as error:
            # A rebalance is on: what is left is committed later, or when it is given up.
            note_if_fatal(error.args[0])
    if message is None:
        continue
    if message.error():
        # Others are worth another try, which the client makes itself.
        note_if_fatal(message.error())
        continue
    say("record", partition=message.partition(), offset=message.offset())
    positions[message.partition()] = message.offset() + 1
    pending[message.partition()] = TopicPartition(message.topic(), message.partition(), message.offset() + 1)
if fatal:
    say("error", name=fatal[0])
consumer.close()
say("closed")
