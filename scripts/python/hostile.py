"""Hostile peers against a corelogd of one's own, and a steady client beside them: `hostile.py [--minutes 10] [--cores LIST]`.

Loopback only. In turns, each attack for a part of the time; all the while the steady client writes and reads back, and may not
wait longer than LATENCY_MS_MAX. At the end the broker lives, has answered or closed every bad connection with a line in its
log, and its resident memory never was above `--memory` plus a fixed overhead. Prints `ok` and `FAIL` lines.
"""

import argparse
import gzip
import random
import resource
import selectors
import socket
import struct
import sys
import threading
import time
import zlib

from broker import Broker, BrokerFailed

MEMORY_MIB = 128
# The program, its threads' stacks and rings, the allocator's spare pages: what `--memory` does not count.
OVERHEAD_MIB = 128
LATENCY_MS_MAX = 5000
IDLE_CONNECTIONS = 4000
DESCRIPTORS = 512
TOPIC = b"steady"
PATIENCE = 10
MESSAGE_BYTES_MAX = 1048588
CORRUPT, UNKNOWN_TOPIC, TOO_LARGE, UNSUPPORTED_CODEC, INVALID = 2, 3, 10, 76, 87


def crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


try:
    from crc32c import crc32c
except ImportError:
    TABLE = crc_table()

    def crc32c(data):
        crc = 0xFFFFFFFF
        for byte in data:
            crc = crc >> 8 ^ TABLE[(crc ^ byte) & 255]
        return crc ^ 0xFFFFFFFF


def varint(number):
    number = number << 1 ^ number >> 63
    out = bytearray()
    while number & ~127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out + bytes([number]))


def record(value, delta=0):
    body = b"\0" + varint(0) + varint(delta) + varint(-1) + varint(len(value)) + value + varint(0)
    return varint(len(body)) + body


def batch(records, count=1, attributes=0, crc=None):
    now = int(time.time() * 1000)
    tail = struct.pack(">hiqqqhii", attributes, count - 1, now, now, -1, -1, -1, count) + records
    crc = crc32c(tail) if crc is None else crc
    return struct.pack(">qiibI", 0, len(tail) + 9, -1, 2, crc) + tail


def string(text):
    return struct.pack(">h", len(text)) + text


def frame(key, version, correlation, body):
    data = struct.pack(">hhi", key, version, correlation) + string(b"hostile") + body
    return struct.pack(">i", len(data)) + data


def produce(data, topic=TOPIC, acks=-1, correlation=1):
    """Produce 7, one partition."""
    body = struct.pack(">hhii", -1, acks, PATIENCE * 1000, 1) + string(topic)
    return frame(0, 7, correlation, body + struct.pack(">iii", 1, 0, len(data)) + data)


def fetch(offset, correlation=1, wait_ms=500):
    """Fetch 4, one partition, a megabyte at most."""
    body = struct.pack(">iiiib", -1, wait_ms, 1, 1 << 20, 0) + struct.pack(">i", 1) + string(TOPIC)
    return frame(1, 4, correlation, body + struct.pack(">iiqi", 1, 0, offset, 1 << 20))


def receive(stream, count):
    data = bytearray()
    while len(data) < count:
        piece = stream.recv(count - len(data))
        if not piece:
            raise ConnectionError("closed")
        data += piece
    return bytes(data)


def answer(stream):
    """The next answer without its length and correlation id."""
    return receive(stream, struct.unpack(">i", receive(stream, 4))[0])[4:]


def produced(answered):
    """Error code and base offset of Produce 7's only partition."""
    topic = struct.unpack_from(">h", answered, 4)[0]
    return struct.unpack_from(">hq", answered, 6 + topic + 8)


class Attackers:
    """What the attacks share: where the broker is, randomness with a seed, what is held open."""

    def __init__(self, broker, seed):
        self.broker = broker
        self.random = random.Random(seed)
        self.counts = {}

    def count(self, what, number=1):
        self.counts[what] = self.counts.get(what, 0) + number

    def connect(self, timeout=PATIENCE):
        stream = socket.create_connection(("127.0.0.1", self.broker.port), timeout)
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return stream

    def throw(self, data, read=False):
        """Sends bytes on a connection of their own, and takes what comes until it is closed."""
        with self.connect(2) as stream:
            try:
                stream.sendall(data)
                stream.shutdown(socket.SHUT_WR)
                while read and stream.recv(65536):
                    pass
            except OSError:
                pass

    def ask(self, data):
        with self.connect() as stream:
            stream.sendall(data)
            return answer(stream)

    def refused(self, data, *codes):
        code, _ = produced(self.ask(produce(data)))
        if code not in codes:
            raise AssertionError(f"answered with {code} instead of {' or '.join(map(str, codes))}")

    def random_bytes(self, until):
        while time.monotonic() < until:
            self.throw(self.random.randbytes(self.random.randrange(1, 20000)))
            self.count("connections with random bytes")

    def cut_frames(self, until):
        whole = produce(batch(record(b"cut")))
        while time.monotonic() < until:
            self.throw(whole[: self.random.randrange(len(whole))])
            self.count("frames cut short")

    def lies(self, until):
        """Any four bytes of a good request replaced by a length or a count that lies, and frame lengths out of bounds."""
        good = [produce(batch(record(b"lie"))), fetch(0, wait_ms=0), frame(3, 4, 1, struct.pack(">i", 1) + string(TOPIC) + b"\1")]
        while time.monotonic() < until:
            data = bytearray(self.random.choice(good))
            at = self.random.randrange(4, len(data) - 4)
            data[at : at + 4] = struct.pack(">i", self.random.choice([-1, -(2**31), 2**31 - 1, 10**6, 10**8]))
            self.throw(data, read=True)
            self.throw(struct.pack(">i", self.random.choice([-1, 0, 7, 2**31 - 1, 104857601])), read=True)
            self.count("lies about lengths and counts", 2)

    def bad_batches(self, until):
        """Wrong CRC, too large, more records than there are, no codec's bytes: Kafka's error for each."""
        while time.monotonic() < until:
            self.refused(batch(record(b"crc"), crc=self.random.randrange(2**32)), CORRUPT)
            self.refused(batch(record(self.random.randbytes(MESSAGE_BYTES_MAX))), TOO_LARGE)
            self.refused(batch(record(b"count"), count=1000), CORRUPT, INVALID)
            for codec in (1, 2, 3, 4):
                self.refused(batch(self.random.randbytes(200), attributes=codec), CORRUPT, INVALID)
            self.refused(batch(record(b"codec"), attributes=7), CORRUPT, INVALID, UNSUPPORTED_CODEC)
            self.count("bad batches refused with Kafka's error", 8)

    def bombs(self, until):
        """A megabyte on the wire, a gigabyte inside; a valid stream of zeros is no record."""
        packer = zlib.compressobj(9, wbits=31)
        bomb = b"".join([packer.compress(bytes(1 << 20)) for _ in range(900)] + [packer.flush()])
        honest = gzip.compress(b"".join(record(bytes(1000), delta) for delta in range(20000)), 1)
        while time.monotonic() < until:
            self.refused(batch(bomb, attributes=1), CORRUPT, INVALID, TOO_LARGE)
            code, _ = produced(self.ask(produce(batch(honest, count=20000, attributes=1))))
            if code:
                raise AssertionError(f"20 MB of zeros in a batch of {len(honest)} bytes are refused with {code}")
            self.count("compressed bombs", 2)

    def unknown(self, until):
        while time.monotonic() < until:
            code, _ = produced(self.ask(produce(batch(record(b"?")), topic=b"no/such topic")))
            if code not in (UNKNOWN_TOPIC, 17):
                raise AssertionError(f"an unknown topic is answered with {code}")
            for key, version in [(0, 99), (1, -1), (999, 0), (-1, 0), (4, 1), (3, 77)]:
                self.throw(frame(key, version, 1, bytes(20)), read=True)
            self.count("unknown topics and versions", 7)

    def never_reads(self, until):
        """Asks for gigabytes and takes none."""
        held = []
        try:
            for _ in range(20):
                stream = self.connect()
                stream.setblocking(False)
                held.append(stream)
            asked = b"".join(fetch(self.random.randrange(50), correlation) for correlation in range(200))
            while time.monotonic() < until:
                for stream in held:
                    try:
                        stream.send(asked)
                    except OSError:
                        pass
                time.sleep(0.1)
            self.count("clients that never read", len(held))
        finally:
            for stream in held:
                stream.close()

    def never_finishes(self, until):
        """Announces the largest frame and sends a byte a second."""
        held = []
        try:
            for _ in range(200):
                stream = self.connect()
                stream.sendall(struct.pack(">i", 104857600) + b"\0\0\0\7")
                stream.setblocking(False)
                held.append(stream)
            while time.monotonic() < until:
                time.sleep(1)
                for stream in held:
                    try:
                        stream.send(b"\0")
                    except OSError:
                        pass
            self.count("frames never finished", len(held))
        finally:
            for stream in held:
                stream.close()

    def uses_up_memory(self, until):
        """Forty writers with 8 MB frames under way at once: more than the budget; each is served or closed in its turn."""
        data = produce(batch(record(bytes(900_000))))
        large = struct.pack(">i", 8 << 20) + bytes(8 << 20)

        def pour():
            while time.monotonic() < until:
                try:
                    with self.connect() as stream:
                        for _ in range(8):
                            stream.sendall(data)
                        for _ in range(8):
                            answer(stream)
                        stream.sendall(large)
                except OSError:
                    pass
                self.count("floods of large requests")

        writers = [threading.Thread(target=pour) for _ in range(40)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()

    def idle_connections(self, until):
        """Thousands that say nothing. They may be refused, but not at the price of others."""
        held = []
        try:
            for _ in range(IDLE_CONNECTIONS):
                try:
                    held.append(self.connect(1))
                except OSError:
                    time.sleep(0.01)
                if time.monotonic() > until:
                    break
            self.count("idle connections", len(held))
            time.sleep(max(0, until - time.monotonic()))
        finally:
            for stream in held:
                stream.close()


class Steady:
    """Writes a numbered record and reads it back, again and again, over two connections that stay open."""

    def __init__(self, broker):
        self.broker, self.slowest_ms, self.rounds, self.error = broker, 0, 0, None
        self.phase, self.slowest_phase = "", ""
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def create(self):
        body = struct.pack(">i", 1) + string(TOPIC) + struct.pack(">ihiiib", 1, 1, 0, 0, PATIENCE * 1000, 0)
        stream = socket.create_connection(("127.0.0.1", self.broker.port), PATIENCE)
        stream.sendall(frame(19, 4, 1, body))
        answer(stream)
        stream.close()

    def run(self):
        try:
            writer = socket.create_connection(("127.0.0.1", self.broker.port), 60)
            reader = socket.create_connection(("127.0.0.1", self.broker.port), 60)
            while not self.stopping.is_set():
                began = time.monotonic()
                value = b"steady %d" % self.rounds
                writer.sendall(produce(batch(record(value))))
                code, offset = produced(answer(writer))
                if code:
                    raise AssertionError(f"the write was answered with {code}")
                reader.sendall(fetch(offset))
                if value not in answer(reader):
                    raise AssertionError(f"{value} is not at offset {offset}")
                waited = (time.monotonic() - began) * 1000
                if waited > self.slowest_ms:
                    self.slowest_ms, self.slowest_phase = waited, self.phase
                self.rounds += 1
                time.sleep(0.02)
        except (OSError, AssertionError) as error:
            self.error = f"{type(error).__name__}: {error}, during {self.phase}, round {self.rounds}"


class Watch:
    """The broker's largest resident memory, looked at ten times a second."""

    def __init__(self, broker):
        self.pid, self.largest = broker.process.pid, 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stopping.wait(0.1):
            try:
                with open(f"/proc/{self.pid}/status") as status:
                    kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
                self.largest = max(self.largest, kib >> 10)
            except (OSError, StopIteration):
                return


def report(good, text):
    print(f"{'ok' if good else 'FAIL'} {text}", flush=True)
    return good


def load(broker, seconds, seed):
    """All attacks in turn; whether every promise was kept."""
    attackers, steady, watch = Attackers(broker, seed), Steady(broker), Watch(broker)
    steady.create()
    good = True
    steady.thread.start()
    watch.thread.start()
    attacks = [
        attackers.random_bytes, attackers.cut_frames, attackers.lies, attackers.bad_batches, attackers.bombs, attackers.unknown,
        attackers.never_reads, attackers.never_finishes, attackers.uses_up_memory, attackers.idle_connections,
    ]
    try:
        for attack in attacks:
            steady.phase = attack.__name__
            try:
                attack(time.monotonic() + seconds / len(attacks))
            except (OSError, AssertionError) as error:
                good &= report(False, f"{attack.__name__}: {type(error).__name__}: {error}")
            if not broker.is_running():
                break
        steady.phase = "the end"
        time.sleep(1)
    finally:
        steady.stopping.set()
        watch.stopping.set()
        steady.thread.join()
        watch.thread.join()
    for what, number in attackers.counts.items():
        print(f"# {number} {what}")
    good &= report(broker.is_running(), "the broker lives")
    good &= report(
        steady.error is None and steady.rounds > seconds / 2,
        f"the steady client was served {steady.rounds} times" + (f"; {steady.error}" if steady.error else ""),
    )
    good &= report(
        steady.slowest_ms < LATENCY_MS_MAX,
        f"its slowest write and read took {steady.slowest_ms:.0f} ms, during {steady.slowest_phase} ({LATENCY_MS_MAX} allowed)",
    )
    good &= report(
        watch.largest <= MEMORY_MIB + OVERHEAD_MIB,
        f"at most {watch.largest} MiB resident (--memory {MEMORY_MIB} MiB, {OVERHEAD_MIB} MiB of overhead)",
    )
    log = broker.log.read_text(errors="replace")
    good &= report("panicked" not in log and "a bug in Corelog" not in log, "nothing panicked")
    good &= report("closed" in log, "closed connections are in the log")
    return good


def without_descriptors(cores):
    """More connections than the process may have files: refused, and served again when they are gone."""
    broker = Broker(cores, flags=["--memory", f"{MEMORY_MIB}M"])
    try:
        broker.start()
        resource.prlimit(broker.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        steady = Steady(broker)
        steady.create()
        steady.thread.start()
        time.sleep(0.5)
        held = []
        selector = selectors.DefaultSelector()
        for _ in range(DESCRIPTORS * 2):
            stream = socket.socket()
            stream.setblocking(False)
            stream.connect_ex(("127.0.0.1", broker.port))
            selector.register(stream, selectors.EVENT_READ)
            held.append(stream)
        time.sleep(3)
        for stream in held:
            stream.close()
        time.sleep(1)
        attackers = Attackers(broker, 1)
        code, _ = produced(attackers.ask(produce(batch(record(b"after")))))
        steady.stopping.set()
        steady.thread.join()
        good = report(broker.is_running() and code == 0, "file descriptors used up: served again when they are back")
        return report(steady.error is None, f"file descriptors used up: connections there are served{': ' + steady.error if steady.error else ''}") and good
    except (OSError, BrokerFailed) as error:
        return report(False, f"file descriptors used up: {type(error).__name__}: {' '.join(str(error).split())}")
    finally:
        broker.discard()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--cores")
    arguments.add_argument("--seed", type=int, default=int(time.time()))
    arguments.add_argument("--keep", action="store_true", help="keep the broker's log")
    given = arguments.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"# seed {given.seed}")
    options = ["connections.max.idle.ms=20000"]
    broker = Broker(given.cores, options=options, flags=["--memory", f"{MEMORY_MIB}M"])
    good = True
    try:
        broker.start()
        good &= load(broker, given.minutes * 60, given.seed)
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
    good &= without_descriptors(given.cores)
    sys.exit(0 if good else 1)


main()
