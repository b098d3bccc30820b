"""Kafka's bytes by hand, right or wrong on purpose: what no client library would send."""

import struct
import time

try:
    from crc32c import crc32c
except ImportError:

    def _table():
        table = []
        for n in range(256):
            for _ in range(8):
                n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
            table.append(n)
        return table

    _TABLE = _table()

    def crc32c(data):
        crc = 0xFFFFFFFF
        for byte in data:
            crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 255]
        return crc ^ 0xFFFFFFFF


PATIENCE_MS = 30_000


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


def produce(data, topic, acks=-1, correlation=1):
    """Produce 7, one partition."""
    body = struct.pack(">hhii", -1, acks, PATIENCE_MS, 1) + string(topic)
    return frame(0, 7, correlation, body + struct.pack(">iii", 1, 0, len(data)) + data)


def fetch(topic, offset, correlation=1, wait_ms=500, size=1 << 20):
    """Fetch 4, one partition."""
    body = struct.pack(">iiiib", -1, wait_ms, 1, size, 0) + struct.pack(">i", 1) + string(topic)
    return frame(1, 4, correlation, body + struct.pack(">iiqi", 1, 0, offset, size))


def create_topic(topic):
    """CreateTopics 4, one partition."""
    body = struct.pack(">i", 1) + string(topic) + struct.pack(">ihiiib", 1, 1, 0, 0, PATIENCE_MS, 0)
    return frame(19, 4, 1, body)


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
