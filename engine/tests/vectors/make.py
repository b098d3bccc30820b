#!/usr/bin/env python3
"""Makes the batches that the tests in engine/tests/batches.rs read, with the producers of librdkafka and kafka-python.

Run against a broker that stores batches as they come (Apache Kafka, or Corelog), with its data directory at hand:
    make.py BOOTSTRAP DATA_DIRECTORY
It creates topics named vector-CLIENT-CODEC, sends ten records to each in one batch and copies the first batch of the
segment here. Batches.java, beside it, makes those of the Java client and needs no broker.
"""
import pathlib
import struct
import sys
import time

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
RECORDS = 10
BASE_TIME = 1_700_000_000_000


def key(i):
    return None if i % 3 == 0 else b"key-%d" % i


def value(i, codec):
    # Compressed ones are larger than lz4's blocks of 64 KiB and snappy's of 32.
    repeats = i * (5 if codec == "none" else 500)
    return None if i % 5 == 2 else b"value-%d " % i + b"abc" * repeats


def headers(i):
    return [("even", b"%d" % i), ("empty", b"")] if i % 2 == 0 else []


def librdkafka(bootstrap, topic, codec):
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 2000, "compression.type": codec, "acks": "all"})
    for i in range(RECORDS):
        producer.produce(topic, value(i, codec), key(i), partition=0, headers=headers(i), timestamp=BASE_TIME + i * 10)
    if producer.flush(30):
        sys.exit(f"{topic}: not delivered")


def kafka_python(bootstrap, topic, codec):
    from kafka import KafkaProducer

    producer = KafkaProducer(
        bootstrap_servers=bootstrap,
        linger_ms=2000,
        compression_type=None if codec == "none" else codec,
        batch_size=1 << 20,
    )
    sent = [
        producer.send(topic, value(i, codec), key(i), partition=0, headers=headers(i), timestamp_ms=BASE_TIME + i * 10)
        for i in range(RECORDS)
    ]
    for future in sent:
        future.get(30)
    producer.close()


def main():
    bootstrap, data = sys.argv[1], pathlib.Path(sys.argv[2])
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": bootstrap})
    made = []
    for client, send in (("librdkafka", librdkafka), ("kafka-python", kafka_python)):
        for codec in CODECS:
            topic = f"vector-{client}-{codec}"
            for created in admin.create_topics([NewTopic(topic, 1, 1)]).values():
                created.result(30)
            try:
                send(bootstrap, topic, codec)
            except AssertionError as missing:
                print(f"{topic}: left out, {missing}")
                continue
            made.append((client, codec, topic))
    time.sleep(1)
    for client, codec, topic in made:
        log = next(data.rglob(f"{topic}-0/00000000000000000000.log")).read_bytes()
        size = 12 + struct.unpack(">i", log[8:12])[0]
        count = struct.unpack(">i", log[57:61])[0]
        print(f"{topic}: {size} bytes, {count} records")
        (pathlib.Path(__file__).parent / f"{client}-{codec}.batch").write_bytes(log[:size])


main()
