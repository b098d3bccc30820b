"""What this machine itself does, without a broker: plain blocking sockets over the loopback, synced writes of the disk, memory copies.
`physical.py CORE OTHER_CORE [DIRECTORY]` prints the figures as JSON; `compare.py` puts them beside the brokers'.
"""

import ctypes
import json
import mmap
import os
import socket
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

SOCKET_BYTES = 4 << 30
SOCKET_PIECE = 256 << 10
FILE_BYTES = 64 << 20
SECONDS = 2
COPY_BYTES = 64 << 20


def cpu_of(core, work):
    """Runs `work` in a process of its own on a core; its CPU-seconds. The start of the process is not counted."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.sched_setaffinity(0, {core})
            before = os.times()
            work()
            after = os.times()
            spent = after.user + after.system - before.user - before.system
            os.write(writing, str(spent).encode())
        finally:
            os._exit(0)
    os.close(writing)
    return pid, reading


def send(stream):
    piece = memoryview(bytearray(SOCKET_PIECE))
    for _ in range(SOCKET_BYTES // SOCKET_PIECE):
        stream.sendall(piece)
    stream.shutdown(socket.SHUT_WR)


def receive(stream):
    piece = memoryview(bytearray(SOCKET_PIECE))
    while stream.recv_into(piece):
        pass


def sockets(core, other):
    """CPU-seconds a GB of a plain blocking reader and of a plain blocking sender on `core`, the other end on `other`."""
    found = {}
    for name, measured, opposite in [("reader", receive, send), ("sender", send, receive)]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname())
            served, _ = server.accept()
            far, _ = cpu_of(other, lambda: opposite(served))
            near, pipe = cpu_of(core, lambda: measured(client))
            client.close()
            served.close()
            os.waitpid(near, 0)
            os.waitpid(far, 0)
            found[f"{name}_cpu_s_per_gb"] = float(os.read(pipe, 64)) / (SOCKET_BYTES / 1e9)
            os.close(pipe)
    return found


def synced_writes(directory, piece_bytes, in_flight):
    """Bytes a second of O_DIRECT writes with RWF_DSYNC into a file that was written before."""
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        for _ in range(FILE_BYTES >> 20):
            file.write(b"\0" * (1 << 20))
        file.flush()
        os.fsync(file.fileno())
        descriptor = os.open(file.name, os.O_WRONLY | os.O_DIRECT)
        until = time.monotonic() + SECONDS

        def write(first):
            piece, written = mmap.mmap(-1, piece_bytes), 0
            while time.monotonic() < until:
                at = (first * piece_bytes + written * in_flight) % FILE_BYTES
                written += os.pwritev(descriptor, [piece], at, os.RWF_DSYNC)
            return written

        began = time.monotonic()
        with ThreadPoolExecutor(in_flight) as writers:
            written = sum(writers.map(write, range(in_flight)))
        os.close(descriptor)
        return written / (time.monotonic() - began)


def copies():
    """Bytes a second that one core copies, neither end in its caches."""
    source, target = mmap.mmap(-1, COPY_BYTES), mmap.mmap(-1, COPY_BYTES)
    ends = [ctypes.addressof(ctypes.c_char.from_buffer(one)) for one in (source, target)]
    ctypes.memset(ends[0], 1, COPY_BYTES)
    ctypes.memset(ends[1], 1, COPY_BYTES)
    began, rounds = time.monotonic(), 0
    while time.monotonic() - began < 1:
        ctypes.memmove(ends[1], ends[0], COPY_BYTES)
        rounds += 1
    return rounds * COPY_BYTES / (time.monotonic() - began)


def measure(core, other, directory=None):
    """{figure: value}"""
    directory = directory or tempfile.gettempdir()
    figures = sockets(core, other)
    for size, in_flight in [(4 << 10, 1), (1 << 20, 1), (1 << 20, 4)]:
        name = f"disk_{size >> 10}_kib_{in_flight}_in_flight_bytes_per_s"
        figures[name] = synced_writes(directory, size, in_flight)
    figures["memcpy_bytes_per_s"] = copies()
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])))
