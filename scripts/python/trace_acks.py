"""No acknowledgement leaves before its synced write completed, by the kernel's own account: `trace_acks.py`.

Producers, first with one request in flight each and then with many, write records that each hold a mark of their own,
to topics with durability=sync. Meanwhile the kernel records the broker's direct writes, its io_uring requests and its
sends. Afterwards the marks are looked up in the broker's files, which tells where each record was written; and for
every answer there must be a write with O_DIRECT and DSYNC, begun after the request, over the place of the record's
mark, that the kernel completed and io_uring reported before the send that carries the answer's first byte.

Every run also shows the checker what it must refuse: doctored traces, and a topic with durability=async. Needs root,
tracefs, ext4 or xfs, Linux 6.6.
"""

import mmap
import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import NamedTuple

from broker import ROOT, Broker
from kernel_trace import KernelTrace, NotTraceable

SYNC, ASYNC = "sync", "async"
CONNECTIONS = 4
REQUESTS_ALONE = 100
REQUESTS_PIPELINED = 200
IN_FLIGHT = 16
SOCKET_SECONDS_MAX = 10
ANSWER_BYTES_MAX = 1 << 20
MARK = re.compile(rb"<mark (\d{2})-(\d{6})>")
FILE_SYSTEMS = {"ext2/ext3": "ext4", "xfs": "xfs"}
API_PRODUCE, API_CREATE_TOPICS = 0, 19
SENDS = ("sendto", "sendmsg", "write", "writev")
NOT_A_CHECK = 77


class Violation(Exception):
    """An acknowledgement without its write, or a trace that does not show it; holds the sequence."""


def crc32c(data, table=[]):
    """Castagnoli's, as record batches have it."""
    if not table:
        for value in range(256):
            for _ in range(8):
                value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
            table.append(value)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def varint(value):
    value, out = value << 1 ^ value >> 63, bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def text(word):
    return struct.pack(">h", len(word)) + word.encode()


def batch(value):
    """A record batch, v2, of one record without key."""
    record = b"\0" + varint(0) + varint(0) + varint(-1) + varint(len(value)) + value + varint(0)
    now = time.time_ns() // 1_000_000
    body = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + varint(len(record)) + record
    return struct.pack(">qiibI", 0, len(body) + 9, -1, 2, crc32c(body)) + body


class Answer(NamedTuple):
    """Of one Produce: when it was asked, by CLOCK_MONOTONIC, and where it begins in what the connection received."""

    connection: int
    sequence: int
    asked_microseconds: int
    position: int


class Connection:
    """A raw one, so that the bytes that arrive can be counted. Produces to a partition of its own; a topic is called by
    its durability."""

    def __init__(self, broker, number, topic=SYNC):
        self.number, self.topic = number, topic
        self.socket = socket.create_connection(("127.0.0.1", broker.port), SOCKET_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.port = self.socket.getsockname()[1]
        self.received, self.sequence, self.failed = 0, 0, None
        self.waiting, self.answers = [], []

    def send(self, api, version, correlation, body):
        frame = struct.pack(">hhi", api, version, correlation) + text("trace-acks") + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)

    def receive(self, correlation):
        """The body of the next answer, and where its frame began."""
        position = self.received
        (length,) = struct.unpack(">i", self.exactly(4))
        if not 4 <= length <= ANSWER_BYTES_MAX:
            raise Violation(f"an answer of {length} bytes")
        body = self.exactly(length)
        if struct.unpack_from(">i", body) != (correlation,):
            raise Violation(f"another answer than that to {correlation}: {body[:16].hex()}")
        return body[4:], position

    def exactly(self, length):
        data = bytearray()
        while len(data) < length:
            piece = self.socket.recv(length - len(data))
            if not piece:
                raise Violation("the broker closed a connection")
            data += piece
        self.received += length
        return bytes(data)

    def create_topic(self):
        settings = struct.pack(">i", 1) + text("durability") + text(self.topic)
        topic = text(self.topic) + struct.pack(">ihi", self.number + 1, 1, 0) + settings
        self.send(API_CREATE_TOPICS, 4, 0, struct.pack(">i", 1) + topic + struct.pack(">i?", 10_000, False))
        body, _ = self.receive(0)
        (error,) = struct.unpack_from(">h", body, 8 + 2 + len(self.topic))
        if error:
            raise Violation(f"the topic was refused with error {error}")

    def produce(self):
        records = batch(b"<mark %02d-%06d>" % (self.number, self.sequence))
        body = struct.pack(">hhii", -1, -1, 10_000, 1) + text(self.topic) + struct.pack(">iii", 1, self.number, len(records))
        self.waiting.append((self.sequence, time.monotonic_ns() // 1000))
        self.send(API_PRODUCE, 7, self.sequence, body + records)
        self.sequence += 1

    def acknowledged(self):
        sequence, asked = self.waiting.pop(0)
        body, position = self.receive(sequence)
        partition, error, offset = struct.unpack_from(">ihq", body, 4 + 2 + len(self.topic) + 4)
        if (partition, error, offset) != (self.number, 0, sequence):
            raise Violation(f"partition {self.number}, record {sequence}: answered {(partition, error, offset)}")
        self.answers.append(Answer(self.number, sequence, asked, position))

    def load(self, requests, in_flight):
        """So many requests, and their answers; at most `in_flight` of them without one."""
        try:
            for _ in range(requests):
                if len(self.waiting) == in_flight:
                    self.acknowledged()
                self.produce()
            while self.waiting:
                self.acknowledged()
        except (OSError, Violation, struct.error) as error:
            self.failed = error


def load(connections, requests, in_flight):
    """All at once; their answers to these requests."""
    before = [len(connection.answers) for connection in connections]
    threads = [threading.Thread(target=c.load, args=(requests, in_flight), daemon=True) for c in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in connections:
        if connection.failed:
            raise Violation(f"connection {connection.number}: {connection.failed}")
    return [answer for c, first in zip(connections, before) for answer in c.answers[first:]]


def descriptors(process, connections):
    """{the broker's descriptor: number of the connection}."""
    inodes, found = {}, {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        inodes[(int(words[1].split(":")[1], 16), int(words[2].split(":")[1], 16))] = words[9]
    wanted = {f"socket:[{inodes[(c.socket.getpeername()[1], c.port)]}]": c.number for c in connections}
    for link in Path(f"/proc/{process}/fd").iterdir():
        try:
            number = wanted.get(os.readlink(link))
        except FileNotFoundError:
            continue
        if number is not None:
            found[int(link.name)] = number
    if len(found) != len(connections):
        raise Violation(f"the broker has {len(found)} of {len(connections)} connections")
    return found


def places(directory):
    """{(connection, sequence): [(inode, position)]} of every mark in the broker's files."""
    found = {}
    for path in Path(directory).rglob("*"):
        if not path.is_file() or path.stat().st_size == 0:
            continue
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
            for mark in MARK.finditer(data):
                place = (path.stat().st_ino, mark.start())
                found.setdefault((int(mark[1]), int(mark[2])), []).append(place)
    return found


class Write:
    """A direct write, from the file system's beginning to io_uring's report. The numbers are places in the trace."""

    def __init__(self, began, event):
        self.began, self.microseconds = began, event.microseconds
        self.inode, self.position, self.length = event.number("ino"), event.number("offset"), event.number("length")
        self.flags = set(event.word("flags").split("|"))
        self.requests, self.completed, self.reported = set(), None, None

    def is_synced(self):
        return {"WRITE", "DIRECT", "DSYNC"} <= self.flags

    def covers(self, place):
        return place[0] == self.inode and self.position <= place[1] < self.position + self.length

    def __str__(self):
        return (
            f"write of {self.length} bytes at {self.position} of inode {self.inode} [{'|'.join(sorted(self.flags))}]: "
            f"began at event {self.began}, completed at {self.completed}, reported by io_uring at {self.reported}"
        )


class Send(NamedTuple):
    """A piece of what a connection was sent: the call's places in the trace, and where its bytes lie."""

    began: int
    ended: int
    first: int
    end: int


def follow(events, device, connection_of):
    """What the trace says: (direct writes, {connection: sends})."""
    writes, sends = [], {number: [] for number in connection_of.values()}
    submitted, punted, calling, unfinished, unreported = {}, [], {}, {}, []
    for place, event in enumerate(events):
        if event.name == "io_uring_submit_req":
            opcode = event.word("opcode")
            if opcode.startswith(("SEND", "WRITEV")):
                raise Violation(f"event {place}: a send through io_uring, which this check cannot follow: {event.text}")
            submitted[event.thread] = event.word("req")
        elif event.name == "io_uring_queue_async_work":
            if event.word("opcode") == "WRITE":
                punted.append(event.word("request"))
            submitted.pop(event.thread, None)
        elif event.name == "iomap_dio_rw_begin":
            flags = event.word("flags")
            if event.word("dev") != device or "WRITE" not in flags:
                continue
            write = Write(place, event)
            if event.command.startswith("iou-wrk"):
                # Punted: io_uring runs those of one file in their order, but does not say which of them it is.
                write.requests = set(punted)
            else:
                write.requests = {submitted.get(event.thread)}
            writes.append(write)
            unfinished[(write.inode, write.position + write.length)] = write
        elif event.name == "iomap_dio_complete":
            # Its offset is where the write ended; one that failed or fell short has another.
            end = (event.number("ino"), event.number("offset"))
            if event.word("dev") == device and end in unfinished and event.number("ret") == unfinished[end].length:
                write = unfinished.pop(end)
                write.completed = place
                unreported.append(write)
        elif event.name == "io_uring_complete":
            request, result = event.word("req"), event.number("result")
            for write in unreported:
                if request in write.requests and result == write.length:
                    write.reported = place
                    unreported.remove(write)
                    punted = [other for other in punted if other != request]
                    break
        elif event.name.startswith("sys_") and event.text.startswith("("):
            calling[event.thread] = (place, event.number("fd"))
        elif event.name.startswith("sys_"):
            began, descriptor = calling.pop(event.thread, (None, None))
            sent, number = int(event.text.split()[1], 0), connection_of.get(descriptor)
            if number is not None and 0 < sent < 1 << 63:
                first = sends[number][-1].end if sends[number] else 0
                sends[number].append(Send(began, place, first, first + sent))
    return writes, sends


def check(answers, events, marks, device, connection_of, received):
    """Every answer after its write; returns that write and the send, one pair an answer. Fails with the sequence."""
    writes, sends = follow(events, device, connection_of)
    for number, count in received.items():
        sent = sends[number][-1].end if sends[number] else 0
        if sent != count:
            raise Violation(f"connection {number} received {count} bytes, but the trace shows sends of {sent}")
    waited = []
    for answer in answers:
        send = next(s for s in sends[answer.connection] if s.first <= answer.position < s.end)
        at = marks.get((answer.connection, answer.sequence), [])
        over = [w for w in writes if w.microseconds >= answer.asked_microseconds and any(w.covers(p) for p in at)]
        for write in over:
            if write.is_synced() and None not in (write.completed, write.reported):
                if write.began < write.completed < write.reported < send.began:
                    waited.append((write, send))
                    break
        else:
            lines = [f"record {answer.sequence} of partition {answer.connection}, asked at {answer.asked_microseconds} us:"]
            lines += [f"  {write}" for write in over] or [f"  no direct write over {at or 'any place: it is in no file'}"]
            lines.append(f"  its acknowledgement left at event {send.began}")
            lines += [f"    {e.microseconds} {e.name} {e.text}" for e in events[max(0, send.began - 12) : send.began + 1]]
            raise Violation("\n".join(lines))
    return waited


def canaries(answers, events, waited, verify):
    """The same trace, doctored: each must be refused."""
    write, send = waited[len(answers) // 2]
    early = [event for place, event in enumerate(events) if place not in (send.began, send.ended)]
    early[write.completed : write.completed] = [events[send.began], events[send.ended]]
    unsynced, unfinished = list(events), list(events)
    began = events[write.began]
    unsynced[write.began] = began._replace(text=began.text.replace("DSYNC|", "").replace("|DSYNC", ""))
    unfinished[write.completed] = events[write.completed]._replace(name="nothing")
    unreported = list(events)
    unreported[write.reported] = events[write.reported]._replace(name="nothing")
    doctored = {
        "a send moved before its write completed": early,
        "a write without DSYNC": unsynced,
        "a write that never completed": unfinished,
        "a write that io_uring never reported": unreported,
    }
    for name, trace in doctored.items():
        try:
            verify(trace)
        except Violation:
            continue
        raise Violation(f"the checker takes {name} for good")
    return len(doctored)


def run():
    directory = ROOT / ".cache"
    directory.mkdir(exist_ok=True)
    kind = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=True).stdout.strip()
    if kind not in FILE_SYSTEMS:
        raise NotTraceable(f"{directory} is on {kind}: direct writes are traced on {' and '.join(FILE_SYSTEMS.values())}")
    data = tempfile.mkdtemp(prefix="trace-acks-", dir=directory)
    broker = Broker(cores=str(min(os.sched_getaffinity(0))), data=data)
    try:
        broker.start()
        process = broker.process.pid
        threads = " || ".join(f"common_pid == {task}" for task in os.listdir(f"/proc/{process}/task"))
        events = dict.fromkeys(["iomap/iomap_dio_rw_begin", "iomap/iomap_dio_complete"])
        for name in ("submit_req", "queue_async_work", "complete"):
            events[f"io_uring/io_uring_{name}"] = threads
        for name in SENDS:
            events[f"syscalls/sys_enter_{name}"] = events[f"syscalls/sys_exit_{name}"] = threads
        for topic in (SYNC, ASYNC):
            Connection(broker, CONNECTIONS, topic).create_topic()
        with KernelTrace(events) as trace:
            connections = [Connection(broker, number) for number in range(CONNECTIONS)]
            careless = Connection(broker, CONNECTIONS, ASYNC)
            alone = load(connections[:1], REQUESTS_ALONE, 1)
            together = load(connections, REQUESTS_PIPELINED, IN_FLIGHT)
            unsafe = load([careless], REQUESTS_ALONE, 1)
            connections.append(careless)
            connection_of = descriptors(process, connections)
            recorded = trace.stop()
        broker.kill()
        number = os.stat(data).st_dev
        device, marks = f"{os.major(number)}:{os.minor(number)}", places(data)
    finally:
        broker.discard()
    received = {connection.number: connection.received for connection in connections}

    def verify(answers, trace):
        return check(answers, trace, marks, device, connection_of, received)

    one_by_one, shared = verify(alone, recorded), verify(together, recorded)
    writes = len({write for write, _ in one_by_one})
    if writes != len(alone):
        raise Violation(f"{len(alone)} requests, one at a time, were written by {writes} writes")
    print(f"ok {len(alone)} acknowledgements with one request in flight, each after its synced write completed")
    print(
        f"ok {len(together)} acknowledgements pipelined over {CONNECTIONS} connections, each after its synced write "
        f"completed: {len({write for write, _ in shared})} writes"
    )
    caught = canaries(alone, recorded, one_by_one, lambda trace: verify(alone, trace))
    caught += canaries(together, recorded, shared, lambda trace: verify(together, trace))
    try:
        verify(unsafe, recorded)
    except Violation:
        print(f"ok {caught} doctored traces are refused, and so is durability=async")
    else:
        raise Violation("the checker takes acknowledgements with durability=async for good")
    print(f"# {len(alone) + len(together)} acknowledgements, each after its synced write completed")


def main():
    try:
        run()
    except NotTraceable as reason:
        print(f"SKIP trace-acks: {reason}")
        sys.exit(NOT_A_CHECK)
    except Violation as violation:
        print(f"FAIL {violation}")
        sys.exit(1)


if __name__ == "__main__":
    main()
