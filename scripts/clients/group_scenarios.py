"""What groups must do for every client: rebalance on join, leave and crash, commit, resume, static members.

`scenarios(CLIENT, BOOTSTRAP, COMMAND, …)` makes them for one client's member (see members.py); each is a list of checks that follow one
another. Records come from a writer beside them, and what is committed is asked with another client than the one that committed.
"""

import threading
import time

from confluent_kafka import ConsumerGroupState, ConsumerGroupTopicPartitions, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from members import STEP_SECONDS_MAX, Fleet
from records import poll_until, require

# Short enough to wait for, long enough for a machine that has much else to do.
SESSION_MS = 10_000
# How long a client may be silent before its last heartbeat, and what a busy machine adds.
EARLY_SECONDS_MAX = 1.5
# One topic in one group: what static members and crashes are watched with.
CLASSIC = {"protocol": "classic", "assignor": "range"}
COOPERATIVE = {"protocol": "classic", "assignor": "cooperative-sticky"}
CONSUMER = {"protocol": "consumer", "assignor": None}


class Writer:
    """Writes numbers round robin to the partitions of a topic, some hundred a second, until it is stopped."""

    def __init__(self, bootstrap, topic, partitions):
        self.topic, self.ends, self.errors = topic, [0] * partitions, []
        self.producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1, "message.timeout.ms": 60_000})
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _delivered(self, error, message):
        if error:
            self.errors.append(error)
        else:
            self.ends[message.partition()] = max(self.ends[message.partition()], message.offset() + 1)

    def write(self, count):
        for number in range(count):
            self.producer.produce(
                self.topic, b"%d" % number, partition=number % len(self.ends), on_delivery=self._delivered
            )
        left = self.producer.flush(60)
        require(left == 0 and not self.errors, f"the writer: {left} unanswered, {self.errors[:1]}")

    def _run(self):
        try:
            while not self.stopping.is_set():
                self.write(len(self.ends) * 4)
                time.sleep(0.1)
        except AssertionError as error:
            self.errors.append(error)

    def start(self):
        self.thread.start()

    def stop(self):
        self.stopping.set()
        if self.thread.is_alive():
            self.thread.join()
        require(not self.errors, f"the writer failed: {self.errors[:1]}")


class Stage:
    """One topic, one group, its writer and its members."""

    def __init__(self, bootstrap, command, name, partitions, **settings):
        self.bootstrap, self.name, self.partitions = bootstrap, name, partitions
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
        self.fleet = Fleet(command, bootstrap, group=name, topic=name, **settings)
        self.writer = None

    def open(self):
        for future in self.admin.create_topics([NewTopic(self.name, self.partitions, 1)]).values():
            future.result()
        self.writer = Writer(self.bootstrap, self.name, self.partitions)

    def committed(self):
        """Partition → committed offset, of those that have one."""
        asked = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.name)])
        found = asked[self.name].result().topic_partitions
        return {place.partition: place.offset for place in found if place.offset >= 0}

    def calm(self):
        """Waits until nobody has anything to tell the coordinator for longer than a heartbeat: the last round of a cooperative
        rebalance may be under way when all have their parts, and a client that is in it cannot commit."""
        calm = 0
        while calm < 8:
            described = self.admin.describe_consumer_groups([self.name])[self.name].result()
            calm = calm + 1 if described.state == ConsumerGroupState.STABLE else 0
            time.sleep(0.1)

    def read_up(self, members):
        """Waits until these have read the last record of everything written."""
        ends = self.writer.ends

        def is_read():
            read = {place for member in members for place in member.read()}
            return all(end == 0 or (partition, end - 1) in read for partition, end in enumerate(ends))

        poll_until(STEP_SECONDS_MAX, is_read)

    def close(self):
        if self.writer:
            self.writer.stopping.set()
        self.fleet.discard()

    def shorten_session(self):
        """The session of the consumer protocol is the broker's to say."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            wanted = {"consumer.session.timeout.ms": str(SESSION_MS), "consumer.heartbeat.interval.ms": "1000"}
            admin.alter_configs([ConfigResource(ConfigResourceType.GROUP, self.name, wanted)])
        finally:
            admin.close()


def orderly(stage, mode):
    """Three members come and two go while records are written; then another takes up where they ended."""
    fleet = stage.fleet

    def rebalances():
        stage.open()
        stage.writer.start()
        first = fleet.start()
        fleet.settle({first: 6})
        second = fleet.start()
        fleet.settle({first: 3, second: 3})
        given_up = {p for event in first.of("revoked") for p in event["partitions"]}
        if mode is CLASSIC:
            require(given_up == set(range(6)), f"eager, but only {given_up} were given up")
        else:
            require(given_up == second.owned(), f"gave up {given_up}, and {second.owned()} were needed")
        third = fleet.start()
        fleet.settle({first: 2, second: 2, third: 2})
        stage.calm()
        second.stop()
        fleet.settle({first: 3, third: 3})
        stage.calm()
        third.stop()
        fleet.settle({first: 6})
        stage.writer.stop()
        stage.read_up(fleet.members)
        stage.calm()
        first.stop()
        require(not any(member.errors() for member in fleet.members), [member.errors() for member in fleet.members])

    def one_owner():
        fleet.expect_one_owner()

    def nothing_lost():
        require(min(stage.writer.ends) > 20, f"only {stage.writer.ends} records")
        fleet.expect_each_once(stage.writer.ends)
        ends = dict(enumerate(stage.writer.ends))
        require(stage.committed() == ends, f"committed {stage.committed()}, the ends are {ends}")

    def resumes():
        stage.writer.write(60)
        latecomer = fleet.start()
        fleet.settle({latecomer: 6})
        stage.read_up([latecomer])
        latecomer.stop()
        require(len(latecomer.read()) == 60, f"{len(latecomer.read())} records instead of the 60 new ones")
        fleet.expect_each_once(stage.writer.ends)

    return [
        ("rebalances_on_join_and_leave", rebalances),
        ("has_one_owner_of_a_partition_at_a_time", one_owner),
        ("neither_loses_nor_repeats_a_record_over_rebalances", nothing_lost),
        ("resumes_from_the_committed_offset", resumes),
    ]


def crash(stage, mode):
    """One of two members is killed: the other takes its partitions when the session ends, from the committed offsets on."""
    fleet = stage.fleet

    def takes_over():
        stage.open()
        if mode is CONSUMER:
            stage.shorten_session()
        stage.writer.start()
        survivor, victim = fleet.start(), fleet.start()
        fleet.settle({survivor: 2, victim: 2})
        stage.calm()
        had = victim.owned()
        poll_until(STEP_SECONDS_MAX, lambda: had <= set(stage.committed()))
        require(victim.owned() == had, f"rebalanced before anybody was killed: {victim.owned()}")
        victim.kill()
        # What it had sent may still be on its way.
        time.sleep(1)
        committed = {partition: offset for partition, offset in stage.committed().items() if partition in had}
        fleet.settle({survivor: 4})
        taken = max(event["at"] for event in survivor.of("assigned"))
        seconds = taken - victim.ended_at
        within = (SESSION_MS / 1000 - EARLY_SECONDS_MAX, SESSION_MS / 1000 + 10)
        require(within[0] <= seconds <= within[1], f"taken over after {seconds:.1f} s, the session is {SESSION_MS} ms")
        stage.writer.stop()
        stage.read_up(fleet.members)
        survivor.stop()
        for partition, offset in committed.items():
            first = next(place[1] for place in survivor.read() if place[0] == partition and place[1] >= offset)
            require(first == offset, f"partition {partition} went on at {first}, committed was {offset}")
        read = {place for member in fleet.members for place in member.read()}
        wanted = {(partition, offset) for partition, end in enumerate(stage.writer.ends) for offset in range(end)}
        require(read == wanted, f"{len(wanted - read)} of {len(wanted)} records were not read")
        fleet.expect_one_owner()

    return [("takes_over_from_a_killed_member_after_its_session", takes_over)]


def static(stage, mode):
    """A member with an instance id ends and comes back within its session: nobody else hears of it."""
    fleet = stage.fleet
    now = {}

    def restarts():
        stage.open()
        stage.writer.start()
        other, member = fleet.start(instance="a"), fleet.start(instance="b")
        fleet.settle({other: 2, member: 2})
        stage.calm()
        had, heard = member.owned(), len(other.of("assigned", "revoked", "lost"))
        member.stop()
        again = fleet.start(instance="b")
        fleet.settle({other: 2, again: 2})
        require(again.owned() == had, f"it had {had} and was given {again.owned()}")
        time.sleep(2)
        require(len(other.of("assigned", "revoked", "lost")) == heard, "the other member was rebalanced")
        now.update(other=other, again=again, heard=heard)

    def fences():
        other, again = now["other"], now["again"]
        had = again.owned()
        double = fleet.start(instance="b")
        if mode is CONSUMER:
            # The instance is taken as long as its member is there.
            poll_until(STEP_SECONDS_MAX, lambda: double.errors())
            require("still used" in double.errors()[0].lower() or "unreleased" in double.errors()[0].lower(), double.errors())
            require(again.is_running() and again.owned() == had, "the member in place was disturbed")
            double.stop()
        else:
            poll_until(STEP_SECONDS_MAX, lambda: again.errors())
            require("fenced" in again.errors()[0].lower(), again.errors())
            again.stop()
            fleet.settle({other: 2, double: 2})
            require(double.owned() == had, f"the older one had {had}, the newer one has {double.owned()}")
        require(len(other.of("assigned", "revoked", "lost")) == now["heard"], "the other member was rebalanced")

    return [("restarts_a_static_member_without_a_rebalance", restarts), ("fences_a_duplicate_of_an_instance", fences)]


def commits(stage, how):
    """What was read is committed while the member lives, as another client sees it."""

    def commit():
        stage.open()
        stage.writer.write(90)
        member = stage.fleet.start(commit=how)
        ends = dict(enumerate(stage.writer.ends))
        poll_until(STEP_SECONDS_MAX, lambda: stage.committed() == ends or not member.is_running())
        require(stage.committed() == ends, f"committed {stage.committed()}, the ends are {ends}; {member.noise[-2:]}")
        member.stop()

    return [(f"commits_{how}", commit)]


def pattern(stage, topic):
    """A subscription by pattern finds a topic that is made after it."""

    def finds():
        member = stage.fleet.start(topic=f"^{topic}.*")
        time.sleep(1)
        stage.open()
        stage.writer.write(20)
        stage.fleet.settle({member: stage.partitions})
        stage.read_up([member])
        member.stop()
        stage.fleet.expect_each_once(stage.writer.ends)

    return [("finds_a_new_topic_by_pattern", finds)]


def migrates(stage, assignor):
    """A group goes from the classic protocol to the consumer protocol and back while records are written."""
    fleet = stage.fleet
    classic = {"protocol": "classic", "assignor": assignor}

    def there_and_back():
        stage.open()
        stage.writer.start()
        first, second = fleet.start(**classic), fleet.start(**classic)
        fleet.settle({first: 3, second: 3})
        third = fleet.start(**CONSUMER)
        fleet.settle({first: 2, second: 2, third: 2})
        first.stop()
        second.stop()
        fleet.settle({third: 6})
        fourth = fleet.start(**classic)
        fleet.settle({third: 3, fourth: 3})
        third.stop()
        fleet.settle({fourth: 6})
        stage.writer.stop()
        stage.read_up(fleet.members)
        fourth.stop()
        fleet.expect_one_owner()
        fleet.expect_each_once(stage.writer.ends)

    return [(f"goes_from_{assignor.replace('-', '_')}_to_the_consumer_protocol_and_back", there_and_back)]


def scenarios(client, bootstrap, command, has_consumer_protocol, migrating=(), static_commit="revoke", without=()):
    """All of them for one client, as (name, checks, what to do at the end).

    `migrating`: the assignors with which its groups change protocols; `static_commit`: how static members commit;
    `without`: what the client cannot do, as the beginnings of topics' names and the names of checks.
    """
    stamp = f"{client}-{int(time.time() * 1000)}"

    def stage(name, partitions, **settings):
        return Stage(bootstrap, command, f"{stamp}-{name}", partitions, **settings)

    made = []

    def add(name, on, checks):
        checks = [(check, function) for check, function in checks if check not in without]
        if checks and not on.name.removeprefix(f"{stamp}-").startswith(tuple(without)):
            made.append((name, checks, on.close))

    modes = {"eager": CLASSIC, "cooperative": COOPERATIVE} | ({"consumer": CONSUMER} if has_consumer_protocol else {})
    for name, mode in modes.items():
        on = stage(f"orderly-{name}", 6, **mode)
        add(name, on, orderly(on, mode))
    for name, mode in modes.items():
        if mode is not COOPERATIVE:
            on = stage(f"crash-{name}", 4, session_ms=SESSION_MS, commit="sync", **mode)
            add(name, on, crash(on, mode))
            on = stage(f"static-{name}", 4, commit=static_commit, **mode)
            add(name, on, static(on, mode))
            on = stage(f"pattern-{name}", 2, **mode)
            add(name, on, pattern(on, on.name))
    for how in ("sync", "async", "auto"):
        on = stage(f"commit-{how}", 3, **CLASSIC)
        add("eager", on, commits(on, how))
        if has_consumer_protocol:
            on = stage(f"commit-{how}-consumer", 3, **CONSUMER)
            add("consumer", on, commits(on, how))
    for assignor in migrating:
        on = stage(f"migrate-{assignor}", 6)
        add("group", on, migrates(on, assignor))
    return made
