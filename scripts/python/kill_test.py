"""SIGKILL under load, again and again: `kill_test.py [ROUNDS] [--cores LIST] [--seed N]`.

Producers with acks=all and acks=1 note what was acknowledged, where and with which bytes. After each kill the broker
starts again on the same data, and the log must hold every acknowledged record at its offset, in order, unchanged.
Now and then the start itself is killed too, in the middle of recovery. One line a round, a summary, exit code.
"""

import argparse
import random
import sys
import threading
import time

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from broker import Broker, BrokerFailed
from ledger import Ledger, canaries, payload
from reading import read

TOPIC = "kept"
PARTITIONS = 6
PRODUCERS = [("all", "none"), ("1", "lz4"), ("all", "zstd"), ("1", "none")]
RECORDS_PER_SECOND = 4000
FIRST_ACK_SECONDS_MAX = 30
WHOLE_EVERY = 10


class Load(threading.Thread):
    """One producer until told to stop, at a bounded pace; what is acknowledged goes into the ledger."""

    def __init__(self, broker, number, acks, codec, ledger, lock):
        super().__init__(daemon=True)
        self.number, self.ledger, self.lock = number, ledger, lock
        self.acknowledged, self.stopping = 0, threading.Event()
        self.producer = Producer(
            {
                "bootstrap.servers": broker.address,
                "acks": acks,
                "compression.type": codec,
                "enable.idempotence": False,
                "message.send.max.retries": 0,
                "message.timeout.ms": 60_000,
                "linger.ms": 2,
                "log_level": 0,
            }
        )

    def run(self):
        sequence, began = 0, time.monotonic()
        while not self.stopping.is_set():
            due = int((time.monotonic() - began) * RECORDS_PER_SECOND)
            while sequence < due:
                try:
                    self.producer.produce(
                        TOPIC,
                        payload(self.number, sequence),
                        partition=sequence % PARTITIONS,
                        on_delivery=self.note(sequence),
                    )
                except BufferError:
                    break
                sequence += 1
            self.producer.poll(0.005)
        self.producer.purge()
        self.producer.flush(10)

    def note(self, sequence):
        def delivered(error, message):
            if error is None:
                self.acknowledged += 1
                with self.lock:
                    self.ledger.acknowledge(message.partition(), message.offset(), self.number, sequence)

        return delivered


def warm_up(broker, number, ledger):
    """One record to every partition: from here on no partition has a reason to make a client try again, out of order."""
    acknowledged = []
    producer = Producer({"bootstrap.servers": broker.address, "log_level": 0, "message.timeout.ms": FIRST_ACK_SECONDS_MAX * 1000})
    for partition in range(PARTITIONS):
        producer.produce(
            TOPIC,
            payload(number, partition),
            partition=partition,
            on_delivery=lambda error, message: acknowledged.append((error, message.partition(), message.offset())),
        )
    producer.flush(FIRST_ACK_SECONDS_MAX)
    for error, partition, offset in acknowledged:
        if error is None:
            ledger.acknowledge(partition, offset, number, partition)
    if len(acknowledged) < PARTITIONS or any(error for error, _, _ in acknowledged):
        raise BrokerFailed(f"a partition takes no records: {acknowledged[:3]}\n{broker.log_tail()}")


def load_until_killed(broker, number, ledger, rng):
    """Starts the producers, kills the broker at a random moment of their work; the seconds until then."""
    lock = threading.Lock()
    warm_up(broker, number * 100 + 99, ledger)
    loads = [Load(broker, number * 100 + i, a, c, ledger, lock) for i, (a, c) in enumerate(PRODUCERS)]
    for load in loads:
        load.start()
    limit = time.monotonic() + FIRST_ACK_SECONDS_MAX
    while not all(load.acknowledged for load in loads):
        if time.monotonic() > limit or not broker.is_running():
            raise BrokerFailed(f"no acknowledgement within {FIRST_ACK_SECONDS_MAX} s:\n{broker.log_tail()}")
        time.sleep(0.01)
    seconds = rng.uniform(0.05, 3)
    time.sleep(seconds)
    alive = broker.is_running()
    broker.kill()
    for load in loads:
        load.stopping.set()
    for load in loads:
        load.join()
    if not alive:
        raise BrokerFailed(f"corelogd ended by itself under load:\n{broker.log_tail()}")
    return seconds


def rounds(broker, count, rng):
    """Runs the rounds; returns the complaints and the number of acknowledged records."""
    ledger, verified = Ledger(), {p: 0 for p in range(PARTITIONS)}
    broker.start()
    admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
    for future in admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)]).values():
        future.result()
    for number in range(1, count + 1):
        before = ledger.acknowledged
        seconds = load_until_killed(broker, number, ledger, rng)
        twice = rng.random() < 0.3
        if twice:
            broker.spawn()
            time.sleep(rng.uniform(0, 0.3))
            broker.kill()
        back = broker.start()
        whole = number == count or number % WHOLE_EVERY == 0
        first = {p: 0 if whole else verified[p] for p in verified}
        found = read(broker.address, TOPIC, first)
        complaints = list(ledger.complaints)
        for partition, values in found.items():
            complaints += ledger.verify(partition, first[partition], [(offset, value) for offset, _, value in values])
            # The end may have moved back below what was verified: then the complaint above has said so.
            verified[partition] = first[partition] + len(values)
        print(
            f"round {number}: {ledger.acknowledged - before} acknowledged, killed after {seconds:.2f} s"
            f"{', and once while starting' if twice else ''}, back in {back:.2f} s, "
            f"{sum(map(len, found.values()))} read{' from the beginning' if whole else ''}: "
            f"{'nothing lost' if not complaints else f'{len(complaints)} complaints'}",
            flush=True,
        )
        if complaints:
            return complaints, ledger.acknowledged
    broker.stop()
    return [], ledger.acknowledged


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("rounds", nargs="?", type=int, default=50)
    arguments.add_argument("--cores", help="the cores of the broker")
    arguments.add_argument("--seed", type=int, default=None, help="of the moments of the kills")
    arguments.add_argument("--keep", action="store_true", help="keep the data directory and the log")
    given = arguments.parse_args()
    canaries()
    seed = given.seed if given.seed is not None else time.time_ns() % 1_000_000
    broker = Broker(given.cores, options=["log.segment.bytes=4194304"])
    print(f"kill test: {given.rounds} rounds, --cores {broker.cores}, --seed {seed}", flush=True)
    try:
        complaints, acknowledged = rounds(broker, given.rounds, random.Random(seed))
    except (BrokerFailed, KafkaException) as error:
        complaints, acknowledged = [str(error)], 0
    for complaint in complaints[:10]:
        print(f"  {complaint}", flush=True)
    if complaints or given.keep:
        broker.kill()
        print(f"data {broker.data}, log {broker.log}", flush=True)
    else:
        broker.discard()
    if complaints:
        print(f"FAIL kill test: {len(complaints)} complaints", flush=True)
        sys.exit(1)
    print(f"ok kill test: {given.rounds} SIGKILLs, {acknowledged} records acknowledged, nothing lost", flush=True)


main()
