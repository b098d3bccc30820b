"""A Debian package index through Corelog: `demo.py INDEX [--cores LIST]`.

One record a stanza, keyed by its package's name, into a topic of six partitions; read back with kcat and with
confluent-kafka and compared byte for byte; SIGKILL in the middle of a second load; after the restart every
acknowledged record must be there, in order.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from broker import Broker, BrokerFailed
from reading import read

TOPIC = "packages"
PARTITIONS = 6
SECONDS_MAX = 180


class Differs(Exception):
    """What was read is not what was written; says where."""


def stanzas(path):
    """(package name, stanza) pairs of an index, in its order."""
    found = []
    for stanza in Path(path).read_bytes().strip(b"\n").split(b"\n\n"):
        for line in stanza.split(b"\n"):
            if line.startswith(b"Package: "):
                found.append((line[len(b"Package: ") :], stanza))
                break
    return found


def load(broker, records, kill_after=None):
    """Writes the records with acks=all; {(partition, offset): index} of the acknowledged. Kills the broker after so many."""
    acknowledged, killed = {}, False

    def note(index):
        def delivered(error, message):
            if error is None:
                place = (message.partition(), message.offset())
                if place in acknowledged:
                    raise Differs(f"{place} was acknowledged twice")
                acknowledged[place] = index

        return delivered

    producer = Producer(
        {
            "bootstrap.servers": broker.address,
            "acks": "all",
            "compression.type": "zstd",
            "enable.idempotence": False,
            "linger.ms": 5,
            # A client that tries again may reorder its own batches, and a new topic gives it reason to.
            "max.in.flight.requests.per.connection": 5 if kill_after else 1,
            "message.send.max.retries": 0 if kill_after else 5,
            "log_level": 0,
        }
    )
    for index, (key, value) in enumerate(records):
        while True:
            try:
                producer.produce(TOPIC, value, key, on_delivery=note(index))
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
        if kill_after and len(acknowledged) >= kill_after:
            broker.kill()
            killed = True
            break
    if kill_after and not killed:
        limit = time.monotonic() + SECONDS_MAX
        while len(acknowledged) < kill_after and time.monotonic() < limit:
            producer.poll(0.001)
        broker.kill()
    if kill_after:
        producer.purge()
        producer.flush(10)
    elif producer.flush(SECONDS_MAX) != 0:
        raise BrokerFailed(f"records stay unanswered:\n{broker.log_tail()}")
    return acknowledged


def read_dense(broker):
    """{partition: [(key, value)]}, by offset: from 0 and without a gap."""
    found = read(broker.address, TOPIC, dict.fromkeys(range(PARTITIONS), 0))
    for partition, records in found.items():
        gap = next((i for i, record in enumerate(records) if record[0] != i), None)
        if gap is not None:
            raise Differs(f"partition {partition}: offset {records[gap][0]} instead of {gap}")
    return {partition: [record[1:] for record in records] for partition, records in found.items()}


def compare_with_kcat(broker, found):
    """kcat prints each partition; its bytes must be the ones made from `found`."""
    for partition, records in found.items():
        command = ["kcat", "-b", broker.address, "-C", "-q", "-e", "-t", TOPIC, "-p", str(partition)]
        with tempfile.TemporaryFile() as out:
            subprocess.run(
                [*command, "-o", "beginning", "-f", "%k\\n%s\\n\\n"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                check=True,
                timeout=SECONDS_MAX,
            )
            out.seek(0)
            printed = out.read()
        expected = b"".join(b"%s\n%s\n\n" % record for record in records)
        if printed != expected:
            at = next((i for i, (a, b) in enumerate(zip(printed, expected)) if a != b), min(len(printed), len(expected)))
            raise Differs(f"kcat, partition {partition}: {len(printed)} bytes instead of {len(expected)}, first difference at {at}")


def compare(found, records, *loads):
    """Every acknowledged record at its offset and, within a load and a partition, in the order of the index."""
    for number, acknowledged in enumerate(loads, 1):
        newest = {}
        for (partition, offset), index in sorted(acknowledged.items()):
            if offset >= len(found[partition]):
                raise Differs(f"load {number}: {partition}/{offset} was acknowledged and is not there")
            if found[partition][offset] != records[index]:
                raise Differs(f"load {number}: {partition}/{offset} is not the record that was acknowledged there")
            if index <= newest.get(partition, -1):
                raise Differs(f"load {number}: {partition}/{offset}: out of order")
            newest[partition] = index


def demo(broker, records):
    size = sum(len(key) + len(value) for key, value in records)
    print(f"{len(records)} packages, {size / 1e6:.1f} MB, into {PARTITIONS} partitions of topic {TOPIC!r}", flush=True)
    broker.start()
    admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
    for future in admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)]).values():
        future.result()

    began = time.monotonic()
    first = load(broker, records)
    seconds = time.monotonic() - began
    if sorted(first.values()) != list(range(len(records))):
        raise Differs(f"{len(first)} of {len(records)} records acknowledged")
    print(f"written with acks=all in {seconds:.1f} s ({len(records) / seconds:,.0f} records/s)", flush=True)

    found = read_dense(broker)
    compare(found, records, first)
    if sum(map(len, found.values())) != len(records):
        raise Differs(f"{sum(map(len, found.values()))} records in the topic")
    print("confluent-kafka reads every byte back", flush=True)
    compare_with_kcat(broker, found)
    print("kcat reads every byte back", flush=True)

    second = load(broker, records, kill_after=len(records) // 2)
    print(f"SIGKILL in the middle of a second load, {len(second)} of {len(records)} acknowledged", flush=True)
    back = broker.start()
    found = read_dense(broker)
    compare(found, records, first, second)
    compare_with_kcat(broker, found)
    print(f"back in {back:.2f} s: all {len(first) + len(second)} acknowledged records are there, in order", flush=True)
    broker.stop()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("index", help="a Packages file")
    arguments.add_argument("--cores", help="the cores of the broker")
    given = arguments.parse_args()
    records = stanzas(given.index)
    if not records:
        sys.exit(f"FAIL demo: no package stanzas in {given.index}")
    broker = Broker(given.cores)
    try:
        demo(broker, records)
    except (Differs, BrokerFailed, KafkaException, subprocess.SubprocessError) as error:
        broker.kill()
        print(f"FAIL demo: {error}\ndata {broker.data}, log {broker.log}", flush=True)
        sys.exit(1)
    broker.discard()
    print("ok demo", flush=True)


main()
