"""The members of a group as processes, so that one can be killed, and what must hold of what they say.

A member is started as `COMMAND… BOOTSTRAP SETTINGS`, with settings in JSON:

    group, topic     a topic that starts with ^ is a pattern
    protocol         classic or consumer (KIP-848)
    assignor         range, roundrobin, cooperative-sticky …; the classic protocol's only
    instance         group.instance.id, or null
    session_ms       the classic protocol's only
    commit           revoke: what was read, in the callback that gives partitions up; sync, async: after each read as well;
                     auto: the client's own, every 200 ms

It prints a JSON object a line, each with `event` and `at`, seconds of the machine's monotonic clock: `assigned`, `revoked` and `lost`
with `partitions`, when the callback ends; `record` with `partition` and `offset`; `error` with `name`, after which it ends; `closed`. A
line on its stdin makes it close, which leaves the group. It starts at the beginning where nothing is committed.
"""

import json
import subprocess
import threading
import time

from records import poll_until, require

STEP_SECONDS_MAX = 40
DEFAULTS = {"protocol": "classic", "assignor": "range", "instance": None, "session_ms": 30_000, "commit": "revoke"}


def python_config(bootstrap, settings, assignors):
    """What a member's settings are for a consumer of kafka-python and of aiokafka, which call everything the same."""
    return {
        "bootstrap_servers": bootstrap,
        "group_id": settings["group"],
        "group_instance_id": settings["instance"],
        "partition_assignment_strategy": [assignors[settings["assignor"]]],
        "session_timeout_ms": settings["session_ms"],
        "heartbeat_interval_ms": 500,
        "auto_offset_reset": "earliest",
        "enable_auto_commit": settings["commit"] == "auto",
        "auto_commit_interval_ms": 200,
        "fetch_max_wait_ms": 100,
        "metadata_max_age_ms": 1000,
    }


class Member:
    """One process, and all that it has said."""

    def __init__(self, command, bootstrap, **settings):
        self.settings = {**DEFAULTS, **settings}
        self.events = []
        self.ended_at = None
        self.process = subprocess.Popen(
            [*command, bootstrap, json.dumps(self.settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        self.noise = []
        self.readers = [threading.Thread(target=self._listen, daemon=True), threading.Thread(target=self._hear_noise, daemon=True)]
        for reader in self.readers:
            reader.start()

    def _listen(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.events.append(json.loads(line))

    def _hear_noise(self):
        for line in self.process.stderr:
            self.noise = [*self.noise[-20:], line.strip()]

    def of(self, *names):
        return [event for event in list(self.events) if event["event"] in names]

    def owned(self):
        """The partitions that it has now; none once it has ended."""
        owned = set()
        if self.ended_at is not None:
            return owned
        for event in self.of("assigned", "revoked", "lost"):
            if event["event"] == "assigned":
                owned |= set(event["partitions"])
            else:
                owned -= set(event["partitions"])
        return owned

    def read(self):
        return [(event["partition"], event["offset"]) for event in self.of("record")]

    def errors(self):
        return [event["name"] for event in self.of("error")]

    def is_running(self):
        return self.process.poll() is None

    def _ended(self):
        for reader in self.readers:
            reader.join()

    def stop(self):
        """Leaves the group in order."""
        try:
            self.process.stdin.write("stop\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        try:
            code = self.process.wait(STEP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("a member did not close in time") from None
        self._ended()
        self.ended_at = time.monotonic()
        require(code == 0 and self.of("closed"), f"a member ended with {code}: {' '.join(self.noise[-3:])}")

    def kill(self):
        """SIGKILL: it says nothing more to anybody."""
        self.process.kill()
        self.ended_at = time.monotonic()
        self.process.wait()
        self._ended()


class Fleet:
    """The members of one group over one topic, past ones too."""

    def __init__(self, command, bootstrap, **settings):
        self.command, self.bootstrap, self.settings, self.members = command, bootstrap, settings, []

    def start(self, **settings):
        member = Member(self.command, self.bootstrap, **{**self.settings, **settings})
        self.members.append(member)
        return member

    def discard(self):
        for member in self.members:
            if member.is_running():
                member.kill()

    def settle(self, shares):
        """Waits until these members have so many partitions each, together all of them once."""
        partitions = sum(shares.values())

        def is_settled():
            for member in shares:
                require(member.is_running(), f"a member ended: {member.errors()} {' '.join(member.noise[-3:])}")
            owned = [member.owned() for member in shares]
            return [len(set_) for set_ in owned] == list(shares.values()) and len(set().union(*owned)) == partitions

        try:
            poll_until(STEP_SECONDS_MAX, is_settled)
        except AssertionError as error:
            owned = [sorted(member.owned()) for member in shares]
            raise AssertionError(f"wanted {list(shares.values())}, owned {owned}: {error}") from None

    def ownership(self):
        """(partition, from, until, member's number), of what each said that it had; until is None where it still has it."""
        spans = []
        for number, member in enumerate(self.members):
            since = {}
            for event in member.of("assigned", "revoked", "lost"):
                for partition in event["partitions"]:
                    if event["event"] == "assigned":
                        require(partition not in since, f"member {number} was given partition {partition} twice")
                        since[partition] = event["at"]
                    else:
                        require(partition in since, f"member {number} gave up partition {partition}, which it did not have")
                        spans.append((partition, since.pop(partition), event["at"], number))
            spans += [(partition, start, member.ended_at, number) for partition, start in since.items()]
        return sorted(spans, key=lambda span: span[:2])

    def expect_one_owner(self):
        """At no time two members had the same partition, and each read only what it had."""
        spans = self.ownership()
        for (partition, _, until, one), (following, since, _, other) in zip(spans, spans[1:]):
            if partition == following:
                require(
                    until is not None and until <= since,
                    f"partition {partition} is member {one}'s until {until} and member {other}'s from {since}",
                )
        for number, member in enumerate(self.members):
            owned = set()
            for event in list(member.events):
                if event["event"] == "assigned":
                    owned |= set(event["partitions"])
                elif event["event"] in ("revoked", "lost"):
                    owned -= set(event["partitions"])
                elif event["event"] == "record":
                    require(event["partition"] in owned, f"member {number} read partition {event['partition']} without having it")

    def lost(self):
        """What members had read of partitions when they lost them: who loses a partition cannot commit, so the next owner may read
        it again."""
        uncommitted = set()
        for member in self.members:
            read = {}
            for event in list(member.events):
                if event["event"] == "record":
                    read.setdefault(event["partition"], set()).add((event["partition"], event["offset"]))
                elif event["event"] in ("revoked", "lost"):
                    for partition in event["partitions"]:
                        places = read.pop(partition, set())
                        uncommitted |= places if event["event"] == "lost" else set()
        return uncommitted

    def story(self, place):
        """Who read a record when, and what became of the partition around it: for the reason of a failure."""
        told = []
        for number, member in enumerate(self.members):
            for event in list(member.events):
                if event["event"] == "record" and (event["partition"], event["offset"]) == place:
                    told.append((event["at"], f"member {number} reads it"))
                elif place[0] in event.get("partitions", ()):
                    told.append((event["at"], f"member {number}: {event['event']}"))
        return "; ".join(f"{at:.3f} {what}" for at, what in sorted(told))

    def expect_each_once(self, ends):
        """Every record below `ends` was read by one of all the members, and in order; once, but for what was lost with a partition."""
        read = [place for member in self.members for place in member.read()]
        wanted = {(partition, offset) for partition, end in enumerate(ends) for offset in range(end)}
        seen, repeated = set(), set()
        for place in read:
            (repeated if place in seen else seen).add(place)
        twice = sorted(repeated - self.lost())
        require(not twice, f"{len(twice)} records were read twice, {twice[:3]}: {twice and self.story(twice[0])}")
        lost = wanted - set(read)
        require(not lost, f"{len(lost)} of {len(wanted)} records were not read, {sorted(lost)[:3]}")
        require(set(read) <= wanted, f"records that were not written: {sorted(set(read) - wanted)[:3]}")
        for member in self.members:
            last = {}
            for event in list(member.events):
                if event["event"] == "lost":
                    for partition in event["partitions"]:
                        last.pop(partition, None)
                elif event["event"] == "record":
                    partition, offset = event["partition"], event["offset"]
                    require(offset > last.get(partition, -1), f"partition {partition}: {offset} after {last.get(partition)}")
                    last[partition] = offset
