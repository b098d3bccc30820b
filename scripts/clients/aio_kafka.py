"""aiokafka (asyncio, a codec of its own): `aio_kafka.py BOOTSTRAP`. Not named like the package, which it would hide."""

import asyncio
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import InvalidPartitionsError

import records as made_up
from records import CODECS, SECONDS_MAX, Record, expect, require, run

BOOTSTRAP = sys.argv[1]
NOW_MS = int(time.time() * 1000)
PREFIX = f"aiokafka-{NOW_MS}"
# Error codes of Kafka's that this client hands on as they are.
TOPIC_ALREADY_EXISTS = 36
INVALID_CONFIG = 40


def records(seed):
    """This client sends no record without key and value."""
    return [r for r in made_up.records(seed, NOW_MS) if r.key is not None or r.value is not None]


def asked(step):
    """A check from a coroutine."""
    return lambda: asyncio.run(asyncio.wait_for(step(), 2 * SECONDS_MAX))


class Client:
    """One of aiokafka's clients, started and stopped around a block."""

    def __init__(self, kind, **settings):
        self.made = kind(bootstrap_servers=BOOTSTRAP, **settings)

    async def __aenter__(self):
        await self.made.start()
        return self.made

    async def __aexit__(self, *_):
        await (self.made.close() if isinstance(self.made, AIOKafkaAdminClient) else self.made.stop())


async def poll_until(step):
    end = time.monotonic() + SECONDS_MAX
    while not await step():
        require(time.monotonic() < end, f"not within {SECONDS_MAX} s")
        await asyncio.sleep(0.05)


async def is_listed(admin, topic, wanted=True):
    return (topic in await admin.list_topics()) is wanted


async def create(topic, partitions=1, **settings):
    async with Client(AIOKafkaAdminClient) as admin:
        answer = await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=settings)])
        require([error[1] for error in answer.topic_errors] == [0], answer)
        await poll_until(lambda: is_listed(admin, topic))


async def write(topic, made, **settings):
    """Writes the records to partition 0 and returns the offsets that were acknowledged."""
    async with Client(AIOKafkaProducer, linger_ms=5, **settings) as producer:
        sent = [await producer.send(topic, r.value, r.key, 0, r.timestamp, r.headers) for r in made]
        await producer.flush()
        return [found.offset if found else -1 for found in await asyncio.gather(*sent)]


async def read(topic, count, seek, **settings):
    """Reads `count` records of partition 0 by assignment; `seek(consumer, partition)` says from where."""
    async with Client(AIOKafkaConsumer, enable_auto_commit=False, auto_offset_reset="none", **settings) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await seek(consumer, partition)
        found, end, expected = [], time.monotonic() + SECONDS_MAX, None
        while len(found) < count and time.monotonic() < end:
            for message in (await consumer.getmany(timeout_ms=500)).get(partition, []):
                require(expected in (None, message.offset), f"offset {message.offset} instead of {expected}")
                expected = message.offset + 1
                found.append(Record(message.key, message.value, list(message.headers), message.timestamp))
        return found[:count]


def at(offset):
    async def seek(consumer, partition):
        consumer.seek(partition, offset)

    return seek


async def from_beginning(consumer, partition):
    await consumer.seek_to_beginning(partition)


def codec(name):
    topic, made = f"{PREFIX}-{name}", records(name)

    async def writes():
        await create(topic)
        offsets = await write(topic, made, compression_type=None if name == "none" else name, acks="all")
        require(offsets == list(range(len(made))), f"offsets acknowledged: {offsets[:5]}…")

    async def reads():
        expect(made, await read(topic, len(made), from_beginning))

    return [(f"{name}_is_written", asked(writes)), (f"{name}_is_read_byte_for_byte", asked(reads))]


def writes_with(acks):
    async def check():
        topic, made = f"{PREFIX}-acks-{acks}", records("acks")
        await create(topic)
        await write(topic, made, acks=acks)
        expect(made, await read(topic, len(made), from_beginning))

    return asked(check)


async def writes_idempotently():
    topic, made = f"{PREFIX}-idempotent", records("idempotent")
    await create(topic)
    offsets = await write(topic, made, enable_idempotence=True)
    require(offsets == list(range(len(made))), f"offsets acknowledged: {offsets[:5]}…")
    expect(made, await read(topic, len(made), from_beginning))


async def reads_from_an_offset():
    expect(records("none")[123:133], await read(f"{PREFIX}-none", 10, at(123)))


async def reads_with_small_fetches():
    made = records("zstd")
    found = await read(f"{PREFIX}-zstd", len(made), at(0), max_partition_fetch_bytes=1000, fetch_max_wait_ms=50)
    expect(made, found)


async def reads_from_a_time():
    made = records("lz4")

    async def seek(consumer, partition):
        found = (await consumer.offsets_for_times({partition: made[200].timestamp}))[partition]
        require((found.offset, found.timestamp) == (200, made[200].timestamp), found)
        consumer.seek(partition, found.offset)
        for timestamp, expected in [(0, 0), (made[200].timestamp + 1, 201), (made[-1].timestamp, len(made) - 1)]:
            found = (await consumer.offsets_for_times({partition: timestamp}))[partition]
            require(found and found.offset == expected, f"{timestamp}: {found} instead of {expected}")
        beyond = (await consumer.offsets_for_times({partition: NOW_MS + 10**7}))[partition]
        require(beyond is None, f"beyond the end: {beyond}")

    expect(made[200:], await read(f"{PREFIX}-lz4", len(made) - 200, seek))


async def knows_the_watermarks():
    async with Client(AIOKafkaConsumer) as consumer:
        partition = TopicPartition(f"{PREFIX}-gzip", 0)
        low, high = await consumer.beginning_offsets([partition]), await consumer.end_offsets([partition])
        require((low[partition], high[partition]) == (0, len(records("gzip"))), f"low {low}, high {high}")


async def creates_describes_and_deletes_topics():
    topic = f"{PREFIX}-listed"
    await create(topic, 3)
    async with Client(AIOKafkaAdminClient) as admin:
        described = (await admin.describe_topics([topic]))[0]
        places = sorted((p["partition"], p["leader"], p["isr"]) for p in described["partitions"])
        leader = places[0][1]
        require(places == [(i, leader, [leader]) for i in range(3)], described)
        again = await admin.create_topics([NewTopic(topic, 3, 1)])
        require(again.topic_errors[0][1] == TOPIC_ALREADY_EXISTS, again)
        await admin.delete_topics([topic])
        await poll_until(lambda: is_listed(admin, topic, False))


async def options_of(admin, topic):
    resources = (await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))[0].resources
    require(resources[0][0] == 0, resources[0][:4])
    return {entry[0]: entry[1] for entry in resources[0][4]}


async def has_options(admin, topic, wanted):
    return wanted.items() <= (await options_of(admin, topic)).items()


async def describes_and_alters_options():
    topic, before = f"{PREFIX}-options", {"retention.ms": "86400000", "cleanup.policy": "delete"}
    await create(topic, **{"retention.ms": "86400000"})
    async with Client(AIOKafkaAdminClient) as admin:
        await poll_until(lambda: has_options(admin, topic, before))
        wanted = {"retention.ms": "7200000", "cleanup.policy": "compact"}
        answer = (await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, wanted)]))[0]
        require(answer.resources[0][0] == 0, answer)
        await poll_until(lambda: has_options(admin, topic, wanted))
        refused = ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "soon"})
        answer = (await admin.alter_configs([refused]))[0]
        require(answer.resources[0][0] == INVALID_CONFIG, answer)
        require(await has_options(admin, topic, wanted), "a refused change changed something")


async def has_partitions(admin, topic, count):
    return len((await admin.describe_topics([topic]))[0]["partitions"]) == count


async def adds_partitions():
    topic = f"{PREFIX}-wider"
    await create(topic)
    async with Client(AIOKafkaAdminClient) as admin:
        answer = await admin.create_partitions({topic: NewPartitions(4)})
        require(answer.topic_errors[0][1] == 0, answer)
        await poll_until(lambda: has_partitions(admin, topic, 4))
        try:
            raise AssertionError(f"fewer partitions: {await admin.create_partitions({topic: NewPartitions(2)})}")
        except InvalidPartitionsError:
            pass
    async with Client(AIOKafkaProducer) as producer:
        sent = [await producer.send_and_wait(topic, b"%d" % p, partition=p) for p in range(4)]
    require([found.offset for found in sent] == [0] * 4, sent)


async def deletes_records():
    topic, made = f"{PREFIX}-shorter", records("shorter")
    await create(topic)
    await write(topic, made)
    partition = TopicPartition(topic, 0)
    async with Client(AIOKafkaAdminClient) as admin:
        low = await admin.delete_records({partition: RecordsToDelete(150)})
        require(low == {partition: 150}, low)
    async with Client(AIOKafkaConsumer) as consumer:
        low, high = await consumer.beginning_offsets([partition]), await consumer.end_offsets([partition])
        require((low[partition], high[partition]) == (150, len(made)), f"low {low}, high {high}")
    expect(made[150:], await read(topic, len(made) - 150, from_beginning))


async def lists_and_describes_groups():
    topic, made = f"{PREFIX}-group", records("group")
    await create(topic)
    await write(topic, made)
    async with Client(AIOKafkaAdminClient) as admin:
        settings = {"group_id": topic, "auto_offset_reset": "earliest", "enable_auto_commit": False}
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=BOOTSTRAP, client_id="reader", **settings)
        await consumer.start()
        try:
            await consumer.getmany(timeout_ms=SECONDS_MAX * 1000, max_records=100)
            await consumer.commit()
            require((topic, "consumer") in await admin.list_consumer_groups(), "not listed")
            error, name, state, kind, chosen, members, *_ = (await admin.describe_consumer_groups([topic]))[0].groups[0]
            require((error, name, state, kind) == (0, topic, "Stable", "consumer"), (error, name, state, kind))
            require(chosen == "roundrobin" and [m[-4] for m in members] == ["reader"], (chosen, members))
        finally:
            await consumer.stop()
        committed = await admin.list_consumer_group_offsets(topic)
        require(committed[TopicPartition(topic, 0)].offset == 100, committed)
        described = (await admin.describe_consumer_groups([topic]))[0].groups[0]
        require(described[2] == "Empty" and not described[5], described)


run(
    [check for name in CODECS for check in codec(name)]
    + [
        ("writes_with_acks_0", writes_with(0)),
        ("writes_with_acks_1", writes_with(1)),
    ]
    + [
        (check.__name__, asked(check))
        for check in [
            writes_idempotently,
            reads_from_an_offset,
            reads_with_small_fetches,
            reads_from_a_time,
            knows_the_watermarks,
            creates_describes_and_deletes_topics,
            describes_and_alters_options,
            adds_partitions,
            deletes_records,
            lists_and_describes_groups,
        ]
    ]
)
