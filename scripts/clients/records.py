"""The records that the Python clients write and expect back byte for byte, and the way a check is reported.

A client's output is one line a check: `ok NAME`, `FAIL NAME reason` or `skip NAME reason`.
"""

import random
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Optional

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
RECORDS = 400
SECONDS_MAX = 15


class Record(NamedTuple):
    key: Optional[bytes]
    value: Optional[bytes]
    headers: list
    timestamp: int


class Skip(Exception):
    """A check that this broker cannot be asked, with the reason."""


def records(seed, now_ms):
    """Keys, values and headers of every kind: none, empty, zero bytes, repeated, large; timestamps 1 s apart."""
    rng = random.Random(seed)
    made = []
    for i in range(RECORDS):
        key = [None, b"", b"key-%d" % i, rng.randbytes(rng.randrange(1, 40))][i % 4]
        value = [b"value-%d " % i * 7, rng.randbytes(rng.randrange(1, 3000)), b"", None, b"\0\n\t\xff" * i][i % 5]
        if i % 97 == 5:
            value = rng.randbytes(100_000) + bytes(100_000)
        headers = [("h", b"%d" % i), ("h", b"again"), ("empty", b""), ("null", None), ("é", b"\xff\0")][: i % 6]
        made.append(Record(key, value, headers, now_ms - (RECORDS - i) * 1000))
    return made


def difference(expected, found):
    """The first difference between two lists of records in words, or None."""
    for i, (a, b) in enumerate(zip(expected, found)):
        for field in Record._fields:
            if getattr(a, field) != getattr(b, field):
                return f"record {i}: {field} {str(getattr(b, field))[:80]!r} instead of {str(getattr(a, field))[:80]!r}"
    if len(expected) != len(found):
        return f"{len(found)} records instead of {len(expected)}"
    return None


def require(condition, reason):
    if not condition:
        raise AssertionError(reason)


def expect(expected, found):
    reason = difference(expected, found)
    require(reason is None, reason)


def poll_until(seconds, step):
    """Calls `step` until it returns something true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = step()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


SAYING = threading.Lock()


def say(line):
    """A whole line, whoever else has one to say."""
    with SAYING:
        print(line, flush=True)


def passes(name, check):
    """Runs one check, prints its line, and returns whether it passed or could not be asked."""
    try:
        check()
        say(f"ok {name}")
    except Skip as reason:
        say(f"skip {name} {reason}")
    except Exception as error:  # whatever a client throws is that check's failure
        where = traceback.extract_tb(error.__traceback__)[-1]
        reason = " ".join(str(error).split()) or "no message"
        say(f"FAIL {name} {type(error).__name__}: {reason} (line {where.lineno})")
        return False
    return True


def run(checks):
    """Runs (name, function) pairs, a line for each, and exits with 1 if one failed."""
    sys.exit(0 if all([passes(name, check) for name, check in checks]) else 1)


def run_side_by_side(scenarios, at_once=6):
    """Runs (name, checks, end) scenarios beside each other, each one's checks in order until one fails, and then its end."""

    def play(scenario):
        name, checks, end = scenario
        failed = None
        try:
            for check, function in checks:
                if failed:
                    say(f"FAIL {name}_{check} not tried, since {failed} failed")
                elif not passes(f"{name}_{check}", function):
                    failed = check
        finally:
            end()
        return failed is None

    with ThreadPoolExecutor(at_once) as pool:
        sys.exit(0 if all(list(pool.map(play, scenarios))) else 1)
