"""Groups by kcat, which says on stderr what it was given: `kcat_groups.py BOOTSTRAP`."""

import re
import subprocess
import sys
import threading
import time

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient, NewTopic

from group_scenarios import Writer
from records import poll_until, require, run_side_by_side

BOOTSTRAP = sys.argv[1]
SESSION_MS = 10_000
SECONDS_MAX = 40
STAMP = f"kcat-groups-{int(time.time() * 1000)}"


class Kcat:
    """One `kcat -G`: what it has now, and what it printed."""

    def __init__(self, group, topic, *options):
        # Unbuffered, each record as its partition and offset.
        command = ["kcat", "-b", BOOTSTRAP, "-u", "-f", "%p %o\n", "-X", "auto.offset.reset=earliest"]
        command += ["-X", f"session.timeout.ms={SESSION_MS}", "-X", "heartbeat.interval.ms=500", *options, "-G", group, topic]
        self.owned, self.read, self.noise, self.rebalances = set(), [], [], 0
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
        )
        self.readers = [threading.Thread(target=reader, daemon=True) for reader in (self._listen, self._watch)]
        for reader in self.readers:
            reader.start()

    def _listen(self):
        for line in self.process.stdout:
            self.read.append(tuple(map(int, line.split())))

    def _watch(self):
        for line in self.process.stderr:
            self.noise.append(line.strip())
            told = re.search(r"rebalanced \(memberid .*\): (assigned|revoked): (.*)", line)
            if told:
                self.rebalances += 1
                partitions = {int(number) for number in re.findall(r"\[(\d+)\]", told.group(2))}
                self.owned = partitions if told.group(1) == "assigned" else self.owned - partitions

    def leave(self):
        self.process.terminate()
        self._end()

    def kill(self):
        self.process.kill()
        self._end()

    def _end(self):
        self.process.wait(SECONDS_MAX)
        for reader in self.readers:
            reader.join()

    def discard(self):
        if self.process.poll() is None:
            self.kill()


def settle(*members):
    """Waits until these share the four partitions evenly."""
    wanted = [4 // len(members)] * len(members)

    def is_settled():
        require(all(member.process.poll() is None for member in members), f"one ended: {members[0].noise[-1:]}")
        return [len(m.owned) for m in members] == wanted and len(set().union(*(m.owned for m in members))) == 4

    poll_until(SECONDS_MAX, is_settled)


class Stage:
    def __init__(self, name):
        self.name, self.members = f"{STAMP}-{name}", []
        self.admin = AdminClient({"bootstrap.servers": BOOTSTRAP})

    def open(self):
        for future in self.admin.create_topics([NewTopic(self.name, 4, 1)]).values():
            future.result()
        self.writer = Writer(BOOTSTRAP, self.name, 4)
        # After this every member finds the topic.
        self.writer.write(4)

    def start(self, *options):
        self.members.append(Kcat(self.name, self.name, *options))
        return self.members[-1]

    def committed(self):
        asked = self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.name)])
        return {place.partition: place.offset for place in asked[self.name].result().topic_partitions if place.offset >= 0}

    def wanted(self):
        return {(partition, offset) for partition, end in enumerate(self.writer.ends) for offset in range(end)}

    def read_all(self):
        """Waits until each record was read by somebody."""
        wanted = self.wanted()
        poll_until(SECONDS_MAX, lambda: wanted <= {place for member in self.members for place in member.read})

    def close(self):
        for member in self.members:
            member.discard()


def orderly(stage):
    def joins_and_leaves():
        stage.open()
        stage.writer.write(200)
        first = stage.start()
        settle(first)
        second = stage.start()
        settle(first, second)
        stage.writer.write(200)
        stage.read_all()
        second.leave()
        settle(first)
        stage.writer.write(200)
        stage.read_all()
        first.leave()
        require(not [line for line in second.noise if "ERROR" in line], second.noise)

    def resumes():
        ends = dict(enumerate(stage.writer.ends))
        require(stage.committed() == ends, f"committed {stage.committed()}, the ends are {ends}")
        stage.writer.write(40)
        latecomer = stage.start()
        settle(latecomer)
        stage.read_all()
        latecomer.leave()
        new = {(partition, offset) for partition, offset in stage.wanted() if offset >= ends[partition]}
        require(sorted(latecomer.read) == sorted(new), f"{len(latecomer.read)} records instead of the {len(new)} new ones")

    return [("rebalances_on_join_and_leave", joins_and_leaves), ("resumes_from_the_committed_offset", resumes)]


def crash(stage):
    def takes_over():
        stage.open()
        stage.writer.write(100)
        survivor, victim = stage.start(), stage.start()
        settle(survivor, victim)
        victim.kill()
        began = time.monotonic()
        stage.writer.write(100)
        settle(survivor)
        seconds = time.monotonic() - began
        require(SESSION_MS / 1000 - 2 <= seconds <= SESSION_MS / 1000 + 10, f"taken over after {seconds:.1f} s")
        stage.read_all()
        survivor.leave()

    return [("takes_over_from_a_killed_member_after_its_session", takes_over)]


def static(stage):
    def restarts():
        stage.open()
        other, member = stage.start("-X", "group.instance.id=a"), stage.start("-X", "group.instance.id=b")
        settle(other, member)
        had, heard = member.owned, other.rebalances
        member.leave()
        again = stage.start("-X", "group.instance.id=b")
        settle(other, again)
        time.sleep(1)
        require(again.owned == had, f"it had {had} and was given {again.owned}")
        require(other.rebalances == heard, f"the other member was rebalanced: {other.noise[-2:]}")

    return [("restarts_a_static_member_without_a_rebalance", restarts)]


def scenario(name, checks):
    stage = Stage(name)
    return name, checks(stage), stage.close


run_side_by_side([scenario("eager", orderly), scenario("crash", crash), scenario("static", static)])
