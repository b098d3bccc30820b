"""franz-go's own tests of its client against a corelogd of one's own, judged by name: `kgo.py TESTS [NAME…]`.

What is expected of each test that needs a broker stands in scripts/compat.d/kgo.tsv. They run in one process, most of them beside each
other, as their author meant it. Prints `ok`, `FAIL` or `skip` lines.
"""

import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from broker import ROOT, broker_to_test

TABLE = ROOT / "scripts" / "compat.d" / "kgo.tsv"
# A line of `go test -v`; those of subtests are indented.
VERDICT = r"^\s*--- (PASS|FAIL|SKIP): (\S+) \((\S+)s\)"
# Most of them wait more than they work.
PARALLEL = 8
RECORDS = 50_000
RECORDS_QUICK = 5_000
SECONDS_MAX = 600
SECONDS_QUICK_MAX = 120
# What is expected to fail may hang, and keep others waiting: it has a process of its own.
SECONDS_FAILING_MAX = 60


class Expected(NamedTuple):
    name: str  # of the test, or of a subtest with its test's before a slash
    verdict: str  # pass, or fail
    quick: str  # yes or no: whether --quick runs it
    reason: str


def table():
    with open(TABLE, newline="") as lines:
        rows = csv.reader((line for line in lines if not line.startswith("#")), delimiter="\t")
        return [Expected(*row) for row in rows]


def run_tests(tests, names, address, records, seconds):
    """Runs the named tests; {name: (verdict, seconds)}, and all that they printed."""
    environment = {**os.environ, "KGO_SEEDS": address, "KGO_TEST_RF": "1", "KGO_TEST_RECORDS": str(records)}
    command = [tests, "-test.v", f"-test.timeout={seconds}s", f"-test.parallel={PARALLEL}", f"-test.run=^({'|'.join(names)})$"]
    with tempfile.TemporaryDirectory(prefix="kgo-") as directory, open(Path(directory) / "log", "w+", errors="replace") as log:
        process = subprocess.Popen(
            command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            # The tests' own limit tells more; this one is for tests that do not heed it.
            process.wait(seconds + 30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.seek(0)
        text = log.read()
    return {name: (verdict, took) for verdict, name, took in re.findall(VERDICT, text, re.MULTILINE)}, text


def reason_of(name, text):
    """What a test said when it failed: the first lines of its own that name a line of its source."""
    test, *_ = name.split("/")
    after = text.find(f"=== RUN   {test}\n")
    said = re.findall(r"^\s+\w+_test\.go:\d+: .*", text[max(after, 0) :], re.MULTILINE)
    panicked = re.search(r"^panic: .*", text, re.MULTILINE)
    return " ".join(" ".join([panicked[0]] if panicked else said[:2]).split())[:400]


def judge(test, found, text):
    """One line, and whether it is as expected."""
    verdict, took = found.get(test.name, ("no end", "?"))
    if test.verdict == "pass":
        good = verdict == "PASS"
        print(f"ok {test.name} ({took} s)" if good else f"FAIL {test.name} {verdict}: {reason_of(test.name, text)}", flush=True)
        return good
    if verdict == "PASS":
        print(f"FAIL {test.name} passes, but {TABLE.name} says that it fails: {test.reason}", flush=True)
        return False
    print(f"skip {test.name} {verdict}, as expected: {test.reason}", flush=True)
    return True


def choose(given):
    """The rows that shall be judged; a test's subtests go with it."""
    if given.names:
        return [test for test in table() if test.name.split("/")[0] in given.names]
    if given.quick:
        return [test for test in table() if test.quick == "yes" and test.verdict == "pass"]
    return [test for test in table() if given.all or test.verdict == "pass"]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("tests", help="the compiled tests")
    arguments.add_argument("--bootstrap", help="a broker that runs already")
    arguments.add_argument("--cores", help="the cores of our own")
    arguments.add_argument("--quick", action="store_true", help="a representative few, with fewer records")
    arguments.add_argument("--all", action="store_true", help="also what is expected to fail")
    arguments.add_argument("--records", type=int, help="of each chain of groups")
    arguments.add_argument("--log", type=Path, help="where to keep what the tests printed, one file of those to pass and one of the others")
    arguments.add_argument("names", nargs="*")
    given = arguments.parse_intermixed_args()
    chosen = choose(given)
    if not chosen:
        print(f"FAIL kgo: {TABLE.name} names no such test")
        sys.exit(1)
    records = given.records or (RECORDS_QUICK if given.quick else RECORDS)
    good = True
    with broker_to_test(given.bootstrap, cores=given.cores, flags=["--memory", "512M"]) as address:
        for verdict, seconds in (("pass", SECONDS_QUICK_MAX if given.quick else SECONDS_MAX), ("fail", SECONDS_FAILING_MAX)):
            rows = [test for test in chosen if test.verdict == verdict]
            names = dict.fromkeys(test.name.split("/")[0] for test in rows)
            found, text = run_tests(given.tests, names, address, records, seconds) if names else ({}, "")
            if given.log:
                given.log.with_suffix(f".{verdict}").write_text(text)
            for test in rows:
                good &= judge(test, found, text)
    sys.exit(0 if good else 1)


main()
