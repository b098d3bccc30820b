"""librdkafka's test-runner against a corelogd of one's own, judged by name: `librdkafka.py SOURCES [NUMBER…]`.

What is expected of each test stands in scripts/compat.d/librdkafka.tsv, and everything else is a failure, also a test that
passes although it is listed as failing. Every line of the table runs in a process of its own: one that hangs or aborts takes no other
with it. Prints `ok`, `FAIL` and `skip` lines.
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

from broker import ROOT, broker_to_test

TABLE = ROOT / "scripts" / "compat.d" / "librdkafka.tsv"
# The version that the suite is told: it knows its consumer protocol's tests from 4.0.0 on.
KAFKA_VERSION = {"classic": "4.3.0", "consumer": "4.0.0"}
SECONDS_MAX = 400
SIDE_BY_SIDE = 6
# What a broker must be like for a test, in the suite's words.
SCENARIOS = {"default": "auto.create.topics.enable=true", "noautocreate": "auto.create.topics.enable=false"}
# A line of the runner's own table: name, verdict, seconds, reason.
ROW = r"^\|\s*(\d{4}_\S+)\s*\|\s*(\w+)\s*\|\s*([\d.]+)s\s*\|([^|\n]*)"
# Sub-tests may all be left out, with the runner none the wiser. Nothing that speaks with a broker is faster.
SECONDS_MIN = 0.002
VERDICTS = {"pass": ["passed"], "fail": ["failed", "aborted"], "skip": ["skipped"], "empty": ["empty"], "none": []}
WORDS = {"short", "both", "alone", "noautocreate"}


class Test(NamedTuple):
    number: str
    name: str
    subtest: str  # only sub-tests with this in their names; empty: all
    how: str  # some of WORDS; the table says what they mean
    classic: str  # one of VERDICTS
    consumer: str  # the same with group.protocol=consumer
    reason: str

    def words(self):
        return set(self.how.split())

    def is_quick(self, protocol):
        return "both" in self.words() or "short" in self.words() and protocol == "classic"

    def scenario(self):
        return "noautocreate" if "noautocreate" in self.words() else "default"

    def title(self, protocol):
        return f"{protocol} {self.number}_{self.name}{' ' + self.subtest if self.subtest else ''}"


def table():
    with open(TABLE, newline="") as lines:
        rows = csv.reader((line for line in lines if not line.startswith("#")), delimiter="\t")
        tests = [Test(*row) for row in rows]
    for test in tests:
        if not test.words() <= WORDS or {test.classic, test.consumer} - VERDICTS.keys():
            sys.exit(f"FAIL {TABLE.name}: {test}")
        if {test.classic, test.consumer} != {"pass"} and not test.reason:
            sys.exit(f"FAIL {TABLE.name}: {test.number}_{test.name} needs its reason")
    return tests


class Run(NamedTuple):
    sources: Path
    directory: Path
    address: str
    protocol: str
    idempotent: bool

    def of(self, test):
        """{name: (verdict, reason)} of this test and of others with its number; the output stays in the directory."""
        output = self.directory / f"{test.title(self.protocol).replace(' ', '-')}.log"
        with open(output, "w") as log:
            ended = self.process(test, log)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", output.read_text(errors="replace"))
        found = {None: ("aborted", f"{ended}: {cause(plain) or ' '.join(plain.split())[-300:]}")}
        for name, verdict, seconds, reason in re.findall(ROW, plain, re.MULTILINE):
            found[name] = (verdict.lower(), " ".join(reason.split()) or cause(plain))
            # A sub-test that is left out fails nobody: what passes must have run.
            ran = re.search(rf"^.*\[ .*{re.escape(test.subtest)}.*: PASS \(.*$", plain, re.MULTILINE)
            if verdict == "PASSED" and (float(seconds) < SECONDS_MIN or test.subtest and not ran):
                found[name] = ("empty", "nothing of it ran")
        return found

    def process(self, test, log):
        """Runs it to its end, and says which."""
        environment = {
            **os.environ,
            "RDKAFKA_TEST_CONF": str(self.directory / "test.conf"),
            "TEST_KAFKA_VERSION": KAFKA_VERSION[self.protocol],
            "TEST_CONSUMER_GROUP_PROTOCOL": self.protocol,
            "TEST_LEVEL": "2",
            "LD_LIBRARY_PATH": f"{self.sources}/src:{self.sources}/src-cpp",
            "BROKERS": self.address,
            "TESTS": test.number,
        }
        if test.subtest:
            environment["SUBTESTS"] = test.subtest
        # -L without local tests, -K without known failures, -P all producers idempotent.
        command = ["./test-runner", "-L", "-K", "-p1", "-s", test.scenario()]
        command += ["-P"] if self.idempotent else []
        process = subprocess.Popen(
            command,
            cwd=self.sources / "tests",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            return f"ended with {process.wait(SECONDS_MAX)}"
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"no end within {SECONDS_MAX} s"


def cause(plain):
    """The first complaint in a test's output."""
    line = re.search(r"^.*(?:TEST FAILURE|Test failed|failed at).*(?:\n.*){0,2}", plain, re.MULTILINE)
    return " ".join(line[0].split())[:400] if line else ""


def judge(test, protocol, verdict, reason):
    """One line, and whether it is as expected."""
    wanted = getattr(test, protocol)
    title = test.title(protocol)
    if verdict in VERDICTS[wanted]:
        print(f"ok {title}" if wanted == "pass" else f"skip {title}: {wanted} as expected: {test.reason}", flush=True)
        return True
    if wanted == "pass":
        print(f"FAIL {title} {verdict}: {reason}", flush=True)
    else:
        print(f"FAIL {title} {verdict}, but {TABLE.name} says {wanted}: {test.reason} ({reason})", flush=True)
    return False


def run(given, scenario, chosen, directory):
    """Runs the chosen (test, protocol) of one scenario against one broker."""
    # The suite looks for four partitions.
    options = ["num.partitions=4", SCENARIOS[scenario]]
    good = True
    with broker_to_test(given.bootstrap, cores=given.cores, options=options, flags=["--memory", "512M"]) as address:
        conf = f"bootstrap.servers={address}\ntest.timeout.multiplier=2\ntest.topic.random=true\n"
        (directory / "test.conf").write_text(conf)
        # Longest first would be shorter; the order of the table is easier to read.
        for side_by_side, is_alone in ((SIDE_BY_SIDE, False), (1, True)):
            with concurrent.futures.ThreadPoolExecutor(side_by_side) as pool:
                asked = []
                for test, protocol in chosen:
                    runner = Run(given.sources.resolve(), directory, address, protocol, given.idempotent)
                    if ("alone" in test.words()) == is_alone:
                        asked.append((test, protocol, pool.submit(runner.of, test)))
                for test, protocol, answer in asked:
                    found = answer.result()
                    good &= judge(test, protocol, *(found.get(f"{test.number}_{test.name}") or found[None]))
    return good


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("sources", type=Path)
    arguments.add_argument("--bootstrap", help="a broker that runs already; only the default scenario")
    arguments.add_argument("--cores", help="the cores of our own")
    arguments.add_argument("--quick", action="store_true", help="what the table calls short")
    arguments.add_argument("--idempotent", action="store_true", help="all producers idempotent")
    arguments.add_argument("--protocol", choices=["classic", "consumer"], help="only this one")
    arguments.add_argument("--keep", action="store_true", help="keep the tests' output")
    arguments.add_argument("numbers", nargs="*")
    given = arguments.parse_intermixed_args()
    chosen = [
        (test, protocol)
        for protocol in ([given.protocol] if given.protocol else KAFKA_VERSION)
        for test in table()
        if not given.numbers or test.number in given.numbers
        if not given.quick or test.is_quick(protocol)
        if getattr(test, protocol) != "none"
    ]
    if not chosen:
        print(f"FAIL librdkafka: {TABLE.name} names no such test")
        sys.exit(1)
    directory = Path(tempfile.mkdtemp(prefix="librdkafka-"))
    good = True
    try:
        for scenario in ["default"] if given.bootstrap else SCENARIOS:
            mine = [(test, protocol) for test, protocol in chosen if test.scenario() == scenario]
            if mine:
                good &= run(given, scenario, mine, directory)
    finally:
        for report in (given.sources / "tests").glob("stats_*.json"):
            report.unlink(missing_ok=True)
        if given.keep:
            print(f"# output in {directory}")
        else:
            for path in directory.iterdir():
                path.unlink()
            directory.rmdir()
    sys.exit(0 if good else 1)


main()
