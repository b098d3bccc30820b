"""A member of a group by kafka-python: see members.py."""

import json
import sys
import threading
import time

from kafka import AsyncConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.errors import CommitFailedError, KafkaError, RebalanceInProgressError
from members import python_config

BOOTSTRAP, SETTINGS = sys.argv[1], json.loads(sys.argv[2])
TOPIC = SETTINGS["topic"]
ASSIGNORS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "cooperative-sticky": CooperativeStickyAssignor,
}
TRIES_MAX = 20
stopping = threading.Event()
# Partition → the offset after the last one read.
positions = {}


def say(event, **facts):
    print(json.dumps({"event": event, "at": time.monotonic(), **facts}), flush=True)


def offsets(partitions):
    return {p: OffsetAndMetadata(positions[p], "", -1) for p in partitions if p in positions}


async def commit(owned):
    """In a callback, which may not wait for the event loop that it runs in; what it awaits, the client waits for."""
    for attempt in range(TRIES_MAX):
        try:
            return await consumer.commit_async(owned)
        except (CommitFailedError, RebalanceInProgressError):
            # Others have not been told their part of this generation yet; the client hands that on to its caller.
            if attempt + 1 == TRIES_MAX:
                raise
            time.sleep(0.1)


class Listener(AsyncConsumerRebalanceListener):
    async def on_partitions_assigned(self, assigned):
        say("assigned", partitions=sorted(p.partition for p in assigned))

    async def on_partitions_revoked(self, revoked):
        owned = offsets(revoked)
        if owned and SETTINGS["commit"] != "auto":
            await commit(owned)
        for partition in owned:
            positions.pop(partition)
        # Called also when there is nothing to give up.
        if revoked:
            say("revoked", partitions=sorted(p.partition for p in revoked))

    async def on_partitions_lost(self, lost):
        for partition in lost:
            positions.pop(partition, None)
        if lost:
            say("lost", partitions=sorted(p.partition for p in lost))


threading.Thread(target=lambda: (sys.stdin.readline(), stopping.set()), daemon=True).start()
consumer = KafkaConsumer(**python_config(BOOTSTRAP, SETTINGS, ASSIGNORS))
if TOPIC.startswith("^"):
    consumer.subscribe(pattern=TOPIC, listener=Listener())
else:
    consumer.subscribe([TOPIC], listener=Listener())
try:
    while not stopping.is_set():
        for partition, messages in consumer.poll(100).items():
            for message in messages:
                say("record", partition=message.partition, offset=message.offset)
            positions[partition] = messages[-1].offset + 1
        if SETTINGS["commit"] == "sync" and positions:
            consumer.commit(offsets(list(positions)))
        elif SETTINGS["commit"] == "async" and positions:
            consumer.commit_async(offsets(list(positions)))
except KafkaError as error:
    say("error", name=type(error).__name__)
    positions.clear()
consumer.close()
say("closed")
