"""A member of a group by aiokafka: see members.py."""

import asyncio
import json
import sys
import time

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError
from members import python_config

BOOTSTRAP, SETTINGS = sys.argv[1], json.loads(sys.argv[2])
TOPIC = SETTINGS["topic"]
ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}


def say(event, **facts):
    print(json.dumps({"event": event, "at": time.monotonic(), **facts}), flush=True)


class Listener(ConsumerRebalanceListener):
    """What the member has. Its callbacks run beside the loop that reads."""

    def __init__(self):
        self.consumer = None
        self.owned = set()
        # Partition → the offset after the last one read.
        self.positions = {}

    async def on_partitions_assigned(self, assigned):
        self.owned = set(assigned)
        say("assigned", partitions=sorted(p.partition for p in assigned))

    async def on_partitions_revoked(self, revoked):
        given_up, self.owned = self.owned, set()
        if self.positions and SETTINGS["commit"] != "auto":
            await self.consumer.commit(self.positions)
        self.positions = {}
        # Called also when there is nothing to give up.
        if given_up:
            say("revoked", partitions=sorted(p.partition for p in given_up))


async def read(listener, stopped):
    consumer = listener.consumer
    while not stopped.is_set():
        for partition, messages in (await consumer.getmany(timeout_ms=100)).items():
            # What was fetched before a rebalance is read again by whoever is given the partition.
            if partition not in listener.owned:
                continue
            for message in messages:
                say("record", partition=message.partition, offset=message.offset)
            listener.positions[partition] = messages[-1].offset + 1
        if SETTINGS["commit"] == "sync" and listener.positions:
            await consumer.commit(listener.positions)


async def main():
    loop, stopped, listener = asyncio.get_running_loop(), asyncio.Event(), Listener()
    loop.add_reader(sys.stdin, lambda: (loop.remove_reader(sys.stdin), stopped.set()))
    consumer = listener.consumer = AIOKafkaConsumer(**python_config(BOOTSTRAP, SETTINGS, ASSIGNORS))
    if TOPIC.startswith("^"):
        consumer.subscribe(pattern=TOPIC, listener=listener)
    else:
        consumer.subscribe([TOPIC], listener=listener)
    await consumer.start()
    try:
        await read(listener, stopped)
    except KafkaError as error:
        say("error", name=type(error).__name__)
    # It gives up what it has without a word: the callback is not called at the end.
    await listener.on_partitions_revoked(listener.owned)
    await consumer.stop()
    say("closed")


asyncio.run(main())
