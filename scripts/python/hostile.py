"""Hostile peers against a corelogd of one's own, and a steady client beside them: `hostile.py [--minutes 10] [--cores LIST] [--memory MIB]`.

Loopback only. First the steady client alone, for the comparison; then each attack for its part of the time. Prints an `ok` or `FAIL` line
for each: the broker answered or closed as it should, it lives, the steady client was served, and resident memory stayed within
`--memory` and a fixed overhead. Then the same broker's end, and another one whose file descriptors are used up. How long the steady client
and the honest requests waited is printed, and judged in a run of at least five minutes: in a short one, other work on the machine can
take the disk for longer than all of an attack lasts.
"""

import argparse
import gzip
import random
import re
import resource
import socket
import statistics
import struct
import sys
import threading
import time
import urllib.request
import zlib

from broker import Broker, BrokerFailed, free_port
from raw_kafka import answer, batch, create_topic, fetch, frame, produce, produced, record, string
from steady import Steady, Watch

# The program, its threads' stacks and rings, decompressors, the allocator's spare pages: what `--memory` does not count.
OVERHEAD_MIB = 64
# The steady client's rounds beside an attack: half of them within this many times what it takes alone (attackers and broker share two
# CPUs), or within this time; and none longer than it takes to end a peer who holds memory that others want, and to look for him.
MEDIAN_TIMES_ALONE = 20
MEDIAN_MS = 100
SLOWEST_MS = 6000
# A shorter run does not judge how long anybody waited.
JUDGED_MINUTES = 5
IDLE_CONNECTIONS = 4000
DESCRIPTORS = 512
STEADY, BULK = b"steady", b"bulk"
# How long an attacker waits for an answer or an end, in a run that judges waiting and in one that does not.
PATIENCE_JUDGED, PATIENCE = 15, 30
MESSAGE_BYTES_MAX = 1048588
CORRUPT, UNKNOWN_TOPIC, TOO_LARGE, INVALID, UNKNOWN_ERROR = 2, 3, 10, 87, -1
BULK_BATCHES = 120


class Attackers:
    """The attacks. Each lasts until a time, tells what it did, and raises AssertionError where the broker did something else."""

    def __init__(self, broker, seed, patience=PATIENCE):
        self.broker = broker
        self.patience = patience
        self.random = random.Random(seed)
        value = self.random.randbytes(900_000)
        self.large = batch(record(value))

    def connect(self, timeout=None):
        stream = socket.create_connection(("127.0.0.1", self.broker.port), timeout or self.patience)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    def prepare(self):
        """A topic with more than the cache holds."""
        self.ask(create_topic(BULK))
        for _ in range(BULK_BATCHES):
            assert produced(self.ask(produce(self.large, BULK)))[0] == 0, "the bulk topic cannot be written"

    def ask(self, data):
        with self.connect() as stream:
            stream.sendall(data)
            return answer(stream)

    def throw(self, data, finish=True):
        """Sends bytes on a connection of their own, takes what comes, and sees that the broker closes it: with `finish` after our end."""
        with self.connect() as stream:
            try:
                stream.sendall(data)
                if finish:
                    stream.shutdown(socket.SHUT_WR)
                while stream.recv(65536):
                    pass
            except TimeoutError:
                raise AssertionError(f"not closed within {self.patience} s after {data[:40]!r}…") from None
            except OSError:
                pass

    def refused(self, data, *codes, topic=STEADY):
        code, _ = produced(self.ask(produce(data, topic)))
        assert code in codes, f"answered with {code} instead of {' or '.join(map(str, codes))}"

    def repeat(self, until, what, attempt):
        count = 0
        while time.monotonic() < until or count == 0:
            attempt()
            count += 1
        return f"{count} {what}"

    def random_bytes(self, until):
        return self.repeat(until, "connections", lambda: self.throw(self.random.randbytes(self.random.randrange(1, 20000))))

    def frames_cut_short(self, until):
        whole = produce(batch(record(b"cut")), STEADY)
        return self.repeat(until, "frames", lambda: self.throw(whole[: self.random.randrange(len(whole))]))

    def lying_frame_lengths(self, until):
        """Closed at once, whatever else the peer may want to send. The last one would be allowed, were there memory for it."""
        lengths = [-1, -(2**31), 0, 7, 2**31 - 1, 104857601, 104857600]
        return self.repeat(until, "lengths", lambda: self.throw(struct.pack(">i", self.random.choice(lengths)), finish=False))

    def lying_counts(self, until):
        """Any four bytes of a good request replaced by a length or a count that lies."""
        good = [
            produce(batch(record(b"lie")), STEADY),
            fetch(STEADY, 0, wait_ms=0),
            frame(3, 4, 1, struct.pack(">i", 1) + string(STEADY) + b"\1"),
        ]

        def attempt():
            data = bytearray(self.random.choice(good))
            at = self.random.randrange(4, len(data) - 4)
            data[at : at + 4] = struct.pack(">i", self.random.choice([-1, -(2**31), 2**31 - 1, 10**6, 10**8]))
            self.throw(data)

        return self.repeat(until, "requests", attempt)

    def enormous_arrays(self, until):
        """A megabyte of the smallest elements there are: tens of times as much once it is decoded."""
        count = 300_000
        requests = [
            frame(3, 4, 1, struct.pack(">i", count) + bytes(2 * count) + b"\1"),
            frame(0, 7, 1, struct.pack(">hhii", -1, -1, 1000, 1) + string(b"a") + struct.pack(">i", 100_000) + struct.pack(">ii", 0, -1) * 100_000),
            frame(20, 1, 1, struct.pack(">i", count) + bytes(2 * count) + struct.pack(">i", 1000)),
            frame(1, 4, 1, struct.pack(">iiiibi", -1, 0, 1, 1, 0, 1) + string(BULK) + struct.pack(">i", 60_000) + struct.pack(">iqi", 0, 0, 1) * 60_000),
        ]
        return self.repeat(until, "requests", lambda: self.throw(self.random.choice(requests)))

    def wrong_crcs(self, until):
        return self.repeat(until, "batches", lambda: self.refused(batch(record(b"crc"), crc=self.random.randrange(2**32)), CORRUPT))

    def batches_that_are_not_what_they_say(self, until):
        too_large = batch(record(self.random.randbytes(MESSAGE_BYTES_MAX)))

        def attempt():
            self.refused(too_large, TOO_LARGE)
            self.refused(batch(record(b"count"), count=1000), CORRUPT, INVALID)
            for codec in (1, 2, 3, 4):
                self.refused(batch(self.random.randbytes(200), attributes=codec), CORRUPT, INVALID)
            # No codec has this number. Apache Kafka 4.3 answers UNKNOWN_SERVER_ERROR.
            self.refused(batch(record(b"codec"), attributes=7), UNKNOWN_ERROR)

        return self.repeat(until, "times seven batches", attempt)

    def compressed_bombs(self, until):
        """A megabyte on the wire, a gigabyte inside; beside it one that is large and honest."""
        packer = zlib.compressobj(9, wbits=31)
        bomb = b"".join([packer.compress(bytes(1 << 20)) for _ in range(900)] + [packer.flush()])
        bomb = batch(bomb, attributes=1)
        honest = gzip.compress(b"".join(record(bytes(1000), delta) for delta in range(20000)), 1)
        honest = batch(honest, count=20000, attributes=1)

        def explode():
            while time.monotonic() < until:
                self.refused(bomb, CORRUPT, INVALID, TOO_LARGE)

        crowd = Crowd(8, explode)
        done = self.repeat(until, "honest batches of 20 MB in 40 kB beside the bombs", lambda: self.refused(honest, 0))
        crowd.join()
        return done

    def unknown_topics_and_versions(self, until):
        def attempt():
            self.refused(batch(record(b"?")), UNKNOWN_TOPIC, 17, topic=b"no/such topic")
            for key, version in [(0, 99), (1, -1), (999, 0), (-1, 0), (4, 1), (3, 77)]:
                self.throw(frame(key, version, 1, bytes(20)), finish=False)
            code = struct.unpack(">h", self.ask(frame(18, 77, 1, b"\0"))[:2])[0]
            assert code == 35, f"ApiVersions 77 is answered with {code}"

        return self.repeat(until, "times seven requests", attempt)

    def hold(self, until, count, first, more, pause, beside=lambda: None):
        """So many connections that send what `first` gives, then what `more` gives after each pause, and read nothing. Those that are ended
        come again; tells how many were."""
        held, ended = [], 0
        while time.monotonic() < until:
            while len(held) < count:
                stream = self.connect()
                stream.sendall(first())
                stream.setblocking(False)
                held.append(stream)
            for stream in list(held):
                try:
                    stream.send(more())
                except BlockingIOError:
                    pass
                except OSError:
                    held.remove(stream)
                    stream.close()
                    ended += 1
            beside()
            time.sleep(pause)
        for stream in held:
            stream.close()
        return ended

    def clients_that_never_read(self, until):
        """Each asks for gigabytes and takes none; those that hold what others want are ended, and come again."""
        offset = lambda: self.random.randrange(BULK_BATCHES)
        requests = lambda: b"".join(fetch(BULK, offset(), correlation) for correlation in range(20))
        ended = self.hold(until, 40, bytes, requests, 0.1)
        return f"40 at a time, {ended} of them ended"

    def frames_never_finished(self, until):
        """Each announces megabytes, sends nothing or a beginning of it, and then a byte a second. Who sends a large request beside them is
        served."""
        first = lambda: struct.pack(">i", 4 << 20) + b"\0\0\0\7" + bytes(self.random.choice([0, 64 << 10]))
        served = []

        def large():
            if until - time.monotonic() > self.patience:
                began = time.monotonic()
                self.refused(self.large, 0, topic=BULK)
                served.append(time.monotonic() - began)

        ended = self.hold(until, 200, first, lambda: b"\0", 1, large)
        slowest = f", the slowest in {max(served) * 1000:.0f} ms" if served else ""
        return f"200 at a time, {ended} of them ended, {len(served)} large requests served beside them{slowest}"

    def memory_used_up(self, until):
        """Forty writers with eight large requests under way at once, and frames of megabytes: each is served or closed in its turn."""
        data = produce(self.large, BULK)
        large = struct.pack(">i", 5 << 20) + bytes(5 << 20)
        answered = []

        def pour():
            while time.monotonic() < until:
                with self.connect(60) as stream:
                    for _ in range(8):
                        stream.sendall(data)
                    codes = {produced(answer(stream))[0] for _ in range(8)}
                    assert codes == {0}, f"answered with {codes}"
                    answered.append(8)
                    try:
                        stream.sendall(large)
                    except OSError:
                        pass

        Crowd(40, pour).join()
        return f"{sum(answered)} large requests answered"

    def idle_connections(self, until):
        """Thousands that say nothing. They may be refused, but not at the price of others."""
        held, tried = [], 0
        for tried in range(1, IDLE_CONNECTIONS + 1):
            try:
                held.append(self.connect(1))
            except OSError:
                time.sleep(0.01)
            if time.monotonic() > until:
                break
        while time.monotonic() < until:
            self.refused(batch(record(b"beside")), 0)
            time.sleep(0.1)
        for stream in held:
            stream.close()
        assert len(held) > tried / 2, f"only {len(held)} of {tried} were taken"
        return f"{len(held)} connections"


class Crowd:
    """Threads that do the same; the first failure is the crowd's."""

    def __init__(self, count, work):
        self.failure = None
        self.threads = [threading.Thread(target=self._run, args=(work,)) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, work):
        try:
            work()
        except (OSError, AssertionError) as error:
            self.failure = self.failure or error

    def join(self):
        for thread in self.threads:
            thread.join()
        if self.failure:
            raise self.failure


def report(good, text):
    print(f"{'ok' if good else 'FAIL'} {text}", flush=True)
    return good


def load(broker, seconds, seed, memory_mib, metrics_port):
    """All attacks in turn; whether every promise was kept."""
    waiting_counts = seconds >= JUDGED_MINUTES * 60
    attackers = Attackers(broker, seed, PATIENCE_JUDGED if waiting_counts else PATIENCE)
    attackers.ask(create_topic(STEADY))
    attackers.prepare()
    attacks = [
        attackers.random_bytes, attackers.frames_cut_short, attackers.lying_frame_lengths, attackers.lying_counts,
        attackers.enormous_arrays, attackers.wrong_crcs, attackers.batches_that_are_not_what_they_say, attackers.compressed_bombs,
        attackers.unknown_topics_and_versions, attackers.clients_that_never_read, attackers.frames_never_finished,
        attackers.memory_used_up, attackers.idle_connections,
    ]
    # What takes memory needs time: it has three parts where others have one.
    long = {attackers.clients_that_never_read, attackers.frames_never_finished, attackers.memory_used_up, attackers.idle_connections}
    part = seconds / (1 + sum(3 if attack in long else 1 for attack in attacks))
    steady, watch = Steady(broker.port, STEADY), Watch(broker.process.pid)
    told = []
    try:
        time.sleep(part)
        for number, attack in enumerate(attacks, 1):
            steady.phase(number)
            watch.phase(number)
            failure, done = None, ""
            try:
                done = attack(time.monotonic() + part * (3 if attack in long else 1))
            except (OSError, AssertionError) as error:
                failure = f"{type(error).__name__}: {error}"
            told.append((attack.__name__.replace("_", " "), done, failure))
            steady.served()
            if not broker.is_running():
                break
        # Whoever is still waiting for an answer gets it.
        time.sleep(1)
        if broker.is_running():
            print(f"# {turns(metrics_port)}", flush=True)
    finally:
        rounds, error = steady.stop()
        largest = watch.stop()
    return judge(broker, told, rounds, error, largest, memory_mib, waiting_counts)


def turns(port):
    """How long the cores' turns were, from the histogram in the metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as response:
        buckets = re.findall(r'corelog_core_turn_seconds_bucket\{.*?le="([^"]+)"\} (\d+)', response.read().decode())
    counts = {}
    for bound, count in buckets:
        counts[float(bound)] = counts.get(float(bound), 0) + int(count)
    total = counts.get(float("inf"), 0)
    within = lambda part: min((bound for bound, count in counts.items() if count >= total * part), default=0) * 1000
    return f"{total} turns of the cores, 99.9 % within {within(0.999):g} ms, all within {within(1):g} ms"


def judge(broker, told, rounds, error, largest, memory_mib, waiting_counts):
    alone = sorted(rounds.get(0, []))
    good = report(len(alone) > 0, f"the steady client alone: {len(alone)} rounds" + (f", median {statistics.median(alone):.1f} ms, slowest {alone[-1]:.0f} ms" if alone else ""))
    median_max = max(MEDIAN_MS, MEDIAN_TIMES_ALONE * statistics.median(alone)) if alone else MEDIAN_MS
    for number, (name, done, failure) in enumerate(told, 1):
        waited, mib = sorted(rounds.get(number, [])), largest.get(number, 0)
        wrong = [failure] if failure else []
        if not waited:
            wrong.append("the steady client was not served once")
        elif waiting_counts and (statistics.median(waited) > median_max or waited[-1] > SLOWEST_MS):
            wrong.append(f"the steady client waited too long (allowed: median {median_max:.0f} ms, slowest {SLOWEST_MS} ms)")
        if mib > memory_mib + OVERHEAD_MIB:
            wrong.append(f"allowed are {memory_mib + OVERHEAD_MIB} MiB")
        beside = f"{len(waited)} steady rounds, median {statistics.median(waited):.1f} ms, slowest {waited[-1]:.0f} ms" if waited else "no steady round"
        good &= report(not wrong, f"{name}: {'; '.join([part for part in [done, beside, f'{mib} MiB resident'] + wrong if part])}")
    good &= report(broker.is_running(), "the broker lives")
    good &= report(error is None, "the steady client met no error" if error is None else f"the steady client: {error}")
    worst = max(largest.values(), default=0)
    good &= report(
        0 < worst <= memory_mib + OVERHEAD_MIB,
        f"at most {worst} MiB resident with --memory {memory_mib}M (overhead allowed: {OVERHEAD_MIB} MiB)",
    )
    log = broker.log.read_text(errors="replace")
    good &= report("panicked" not in log and "a bug in Corelog" not in log, "nothing panicked")
    reasons = ["socket.request.max.bytes", "--memory a core has", "is not served here", "malformed"]
    missing = [reason for reason in reasons if reason not in log]
    good &= report(not missing, "closed connections are in the log" + "".join(f"; no line says: {reason}" for reason in missing))
    return good


def without_descriptors(cores, memory_mib):
    """More connections than the process may have files: refused, and served again when they are gone."""
    broker = Broker(cores, flags=["--memory", f"{memory_mib}M"])
    try:
        broker.start()
        resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        attackers = Attackers(broker, 1)
        attackers.ask(create_topic(STEADY))
        steady = Steady(broker.port, STEADY)
        time.sleep(0.5)
        held = []
        for _ in range(DESCRIPTORS * 2):
            stream = socket.socket()
            stream.setblocking(False)
            stream.connect_ex(("127.0.0.1", broker.port))
            held.append(stream)
        steady.phase(1)
        time.sleep(3)
        steady.served()
        steady.phase(2)
        for stream in held:
            stream.close()
        time.sleep(1)
        attackers.refused(batch(record(b"after")), 0)
        rounds, error = steady.stop()
        good = report(broker.is_running(), "file descriptors used up: served again when they are back")
        beside = len(rounds.get(1, []))
        return report(error is None and beside > 0, f"file descriptors used up: {beside} rounds of the connections that were there{f'; {error}' if error else ''}") and good
    except (OSError, AssertionError, BrokerFailed) as error:
        return report(False, f"file descriptors used up: {type(error).__name__}: {' '.join(str(error).split())}")
    finally:
        broker.discard()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--cores")
    arguments.add_argument("--memory", type=int, default=128, metavar="MIB", help="what the broker gets")
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--keep", action="store_true", help="keep the broker's log")
    given = arguments.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"# seed {given.seed}", flush=True)
    metrics_port = free_port()
    flags = ["--memory", f"{given.memory}M", "--admin-listen", f"127.0.0.1:{metrics_port}"]
    broker = Broker(given.cores, flags=flags)
    good = True
    try:
        broker.start()
        good &= load(broker, given.minutes * 60, given.seed, given.memory, metrics_port)
        if broker.is_running():
            broker.stop()
            report(True, "it stops cleanly")
    except BrokerFailed as error:
        good = report(False, f"broker: {' '.join(str(error).split())[:600]}")
    finally:
        if given.keep:
            broker.kill()
            print(f"# log {broker.log}")
        else:
            broker.discard()
    good &= without_descriptors(given.cores, given.memory)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
