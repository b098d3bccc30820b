"""What was acknowledged, and whether a log holds it: records that carry their own number, and the checker with its canaries."""

import random
import struct
from array import array

HEADER = struct.Struct(">IQI")
BLOCK = random.Random(1).randbytes(1 << 16)
FILLER_BYTES_MAX = 4000
UNKNOWN = -1


def payload(producer, sequence):
    """A record's value: who wrote it, its number, and a filler that follows from both."""
    length = (sequence * 2654435761 + producer) % FILLER_BYTES_MAX
    start = (sequence * 40503 + producer) % (len(BLOCK) - FILLER_BYTES_MAX)
    return HEADER.pack(producer, sequence, length) + BLOCK[start : start + length]


def identity(value):
    """Who wrote a value and its number; None if it is not, byte for byte, what they wrote."""
    if value is None or len(value) < HEADER.size:
        return None
    producer, sequence, _ = HEADER.unpack_from(value)
    return (producer, sequence) if value == payload(producer, sequence) else None


class Ledger:
    """Per partition, by offset, the record that was acknowledged there."""

    def __init__(self):
        self.partitions = {}
        self.complaints = []
        self.acknowledged = 0

    def acknowledge(self, partition, offset, producer, sequence):
        numbers = self.partitions.setdefault(partition, array("q"))
        if offset >= len(numbers):
            numbers.extend([UNKNOWN] * (offset + 1 - len(numbers)))
        if numbers[offset] != UNKNOWN:
            self.complaints.append(f"{partition} offset {offset} was acknowledged twice")
        numbers[offset] = producer << 40 | sequence
        self.acknowledged += 1

    def verify(self, partition, first, values):
        """Complains about what the log holds from offset `first` on: `values` is a list of (offset, value)."""
        complaints, numbers = [], self.partitions.get(partition, array("q"))
        newest = {}
        expected = first
        for offset, value in values:
            if offset != expected:
                complaints.append(f"{partition}: offset {offset} follows {expected - 1}")
            expected = offset + 1
            found = identity(value)
            if found is None:
                complaints.append(f"{partition} offset {offset}: {len(value or b'')} bytes that nobody wrote")
                continue
            producer, sequence = found
            promised = numbers[offset] if offset < len(numbers) else UNKNOWN
            if promised == UNKNOWN:
                continue
            if promised != producer << 40 | sequence:
                complaints.append(
                    f"{partition} offset {offset}: record {producer}/{sequence} where "
                    f"{promised >> 40}/{promised & (1 << 40) - 1} was acknowledged"
                )
            if sequence <= newest.get(producer, -1):
                complaints.append(f"{partition} offset {offset}: {producer}/{sequence} after {newest[producer]}")
            newest[producer] = sequence
        if expected < len(numbers):
            lost = sum(n != UNKNOWN for n in numbers[max(expected, 0) :])
            complaints.append(f"{partition}: ends at {expected}, {lost} acknowledged records at and behind it are lost")
        return complaints


def canaries():
    """Every kind of loss must be seen. Runs before each test: a blind checker proves nothing."""
    ledger = Ledger()
    for offset in range(10):
        ledger.acknowledge("p", offset, 7, offset)
    good = [(offset, payload(7, offset)) for offset in range(10)]
    torn = good[4][1][:-1] + b"?" if len(good[4][1]) > HEADER.size else b""
    broken = {
        "a lost tail": good[:-1],
        "a lost middle": good[:4] + good[5:],
        "a shifted record": good[:4] + [(o, payload(7, o + 1)) for o, _ in good[4:]],
        "a changed byte": good[:4] + [(4, torn)] + good[5:],
        "an exchange": good[:4] + [(4, good[5][1]), (5, good[4][1])] + good[6:],
        "an offset twice": good[:4] + [good[4]] + good[4:],
    }
    assert ledger.verify("p", 0, good) == [], "the checker complains about a healthy log"
    for what, values in broken.items():
        assert ledger.verify("p", 0, values), f"the checker does not see {what}"
    ledger.acknowledge("p", 9, 7, 11)
    assert ledger.complaints, "the checker does not see an offset that was acknowledged twice"
