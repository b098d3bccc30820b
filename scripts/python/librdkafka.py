"""librdkafka's test-runner against a corelogd of one's own, judged by name: `librdkafka.py SOURCES [NUMBER…]`.

What is expected of each test stands in scripts/compat.d/librdkafka.tsv. Every test runs in a process of its own: one that hangs or
aborts takes no other with it. Prints `ok`, `FAIL` or `skip` lines.
"""

import argparse
import concurrent.futures
import csv
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from broker import ROOT, Broker, BrokerFailed

TABLE = ROOT / "scripts" / "compat.d" / "librdkafka.tsv"
# A few seconds each, and each looks at something else.
QUICK = ["0001", "0003", "0005", "0012", "0013", "0017", "0031", "0035", "0036", "0070", "0073"]
SECONDS_MAX = 180
KAFKA_VERSION = "4.3.0"
# A line of the runner's own table: name, verdict, seconds, reason.
ROW = r"^\|\s*(\d{4}_\S+)\s*\|\s*(\w+)\s*\|[^|\n]*\|([^|\n]*)"
SIDE_BY_SIDE = 2


class Expected(NamedTuple):
    number: str
    name: str
    verdict: str  # pass, or fail
    consumer: str  # the same with group.protocol=consumer
    reason: str


def table():
    with open(TABLE, newline="") as lines:
        rows = csv.reader((line for line in lines if not line.startswith("#")), delimiter="\t")
        return [Expected(*row) for row in rows]


def run_tests(sources, directory, address, number, protocol):
    """Runs the tests of one number; {name: (what the runner's own table says, the first reason that it gives)}."""
    environment = {
        **os.environ,
        "RDKAFKA_TEST_CONF": str(directory / "test.conf"),
        "TEST_KAFKA_VERSION": KAFKA_VERSION,
        "TEST_LEVEL": "1",
        "LD_LIBRARY_PATH": f"{sources}/src:{sources}/src-cpp",
        "BROKERS": address,
        "TESTS": number,
    }
    if protocol == "consumer":
        environment["TEST_CONSUMER_GROUP_PROTOCOL"] = "consumer"
    output = directory / f"{number}.log"
    with open(output, "w") as log:
        # -L without local tests, -K without known failures, -E without the socket emulator, -Q quick.
        process = subprocess.Popen(
            ["./test-runner", "-L", "-K", "-E", "-Q", "-p1"],
            cwd=sources / "tests",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            ended = f"ended with {process.wait(SECONDS_MAX)}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            ended = f"no end within {SECONDS_MAX} s"
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output.read_text(errors="replace"))
    found = {None: ("aborted", f"{ended}: {' '.join(plain.split())[-300:]}")}
    for name, verdict, reason in re.findall(ROW, plain, re.MULTILINE):
        if verdict == "FAILED" and not reason.strip():
            line = re.search(r"^.*(?:TEST FAILURE|Test failed|failed at).*(?:\n.*){0,2}", plain, re.MULTILINE)
            reason = line[0] if line else ""
        found[name] = (verdict.lower(), " ".join(reason.split())[:400])
    return found


def judge(test, verdict, wanted, reason):
    """One line, and whether it is as expected."""
    name = f"{test.number}_{test.name}"
    if wanted == "pass":
        good = verdict == "passed"
        print(f"{'ok' if good else 'FAIL'} {name}{'' if good else f' {verdict}: {reason}'}", flush=True)
        return good
    if verdict == "passed":
        print(f"FAIL {name} passes, but {TABLE.name} says that it fails: {test.reason}", flush=True)
        return False
    print(f"skip {name} {verdict}, as expected: {test.reason}", flush=True)
    return True


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("sources", type=Path)
    arguments.add_argument("--bootstrap", help="a broker that runs already")
    arguments.add_argument("--cores", help="the cores of our own")
    arguments.add_argument("--quick", action="store_true", help="a representative few")
    arguments.add_argument("--all", action="store_true", help="also what is expected to fail")
    arguments.add_argument("--protocol", choices=["classic", "consumer"], default="classic")
    arguments.add_argument("--keep", action="store_true", help="keep the tests' output")
    arguments.add_argument("numbers", nargs="*")
    given = arguments.parse_intermixed_args()
    wanted = {t: t.verdict if given.protocol == "classic" else t.consumer for t in table()}
    if given.numbers:
        chosen = [t for t in wanted if t.number in given.numbers]
    elif given.quick:
        chosen = [t for t in wanted if t.number in QUICK]
    else:
        chosen = [t for t, verdict in wanted.items() if given.all or verdict == "pass"]
    if not chosen:
        print(f"FAIL librdkafka: {TABLE.name} names no such test")
        sys.exit(1)
    # What the suite's topics need: it creates by writing, and looks for four partitions.
    broker = None if given.bootstrap else Broker(given.cores, options=["num.partitions=4"], flags=["--memory", "512M"])
    directory = Path(tempfile.mkdtemp(prefix="librdkafka-"))
    good = True
    try:
        if broker:
            broker.start()
        address = given.bootstrap or broker.address
        conf = f"bootstrap.servers={address}\ntest.timeout.multiplier=2\ntest.topic.random=true\n"
        (directory / "test.conf").write_text(conf)
        sources = given.sources.resolve()
        with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            numbers = dict.fromkeys(test.number for test in chosen)
            asked = {n: pool.submit(run_tests, sources, directory, address, n, given.protocol) for n in numbers}
            for test in chosen:
                found = asked[test.number].result()
                verdict, reason = found.get(f"{test.number}_{test.name}") or found[None]
                good &= judge(test, verdict, wanted[test], reason)
        if broker and not broker.is_running():
            raise BrokerFailed(f"corelogd ended by itself: {' '.join(broker.log_tail(5).split())}")
    except BrokerFailed as error:
        good = False
        print(f"FAIL broker: {error}", flush=True)
    finally:
        if given.keep:
            print(f"# output in {directory}")
        else:
            for path in directory.iterdir():
                path.unlink()
            directory.rmdir()
        if broker:
            broker.discard()
    sys.exit(0 if good else 1)


main()
