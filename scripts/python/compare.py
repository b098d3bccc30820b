"""Corelog beside Apache Kafka: `compare.py KAFKA_JARS KAFKA_3_JARS [--quick] [--out DIR]`.

Every broker alternately, each on one and the same core, with one and the same load generator (corelog-bench) on another. A run of a
broker begins with an empty data directory: start, idle, warm-up, then each scenario. Writes what was measured (results.jsonl, with
the command of every figure), the report (report.md, report.html) and the README's plot (latency.svg) under DIR; nothing there is edited
by hand.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import physical
import profiles
import report
from beside import Beside
from broker import BINARIES, ROOT
from contenders import STEP_METRICS, Cgroup, contenders, touch_memory
from reach import MAIN

DISK_FREE_MIN = 16 << 30

# `warm`: seconds at full speed before anything is measured, for a broker that compiles while it runs, and for one that does not.
QUICK = {"runs": 1, "seconds": 3, "warm": (8, 2), "idle": 3, "rates": [1000, 20000, 100000], "partitions": [1, 1000], "thorough": False, "without": ["Kafka 3.9", "Corelog 64M"]}
FULL = {"runs": 3, "seconds": 5, "warm": (60, 10), "idle": 10, "rates": [1000, 20000, 60000, 100000, 200000], "partitions": [1, 1000, 10000], "thorough": True}
SMOKE = {"runs": 1, "seconds": 1, "warm": (1, 1), "idle": 1, "rates": [1000, 20000], "partitions": [1, 10], "thorough": False}

# What each scenario writes or reads: its words for corelog-bench. A topic is removed when the next scenario does not read it.
SIZES = {
    "1 KiB records, 64 KiB batches": ["-s", "1024", "--batch-records", "64"],
    "1 KiB records, 16 KiB batches": ["-s", "1024", "--batch-records", "16"],
    "100 B records, 64 KiB batches": ["-s", "100", "--batch-records", "640"],
}
LARGE = ["-s", "1024", "--batch-records", "900", "--in-flight", "8"]
SPREAD = ["-s", "1024", "--batch-records", "4"]
# Records a second that keep every broker which does not sync busy and leave it a third of its core, and no batch waits for LINGER_MS.
RATES = dict(zip(SIZES, [100000, 60000, 1000000]))
LINGER_MS = "5"
# A contender that shows what syncing costs has these sizes and no higher rates.
BRIEF_SIZES, BRIEF_RATE_MAX = 2, 20000


def at_rate(size):
    return [*SIZES[size], "-r", str(RATES[size]), "--linger-ms", LINGER_MS]


def thread_seconds(pid):
    """What its present threads have run, to the nanosecond: the ticks of `stat` say too little of a process that hardly runs."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def memory_mib(pid, what):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


class Run:
    """One broker, from its start to its end."""

    def __init__(self, name, contender, plan, generator_core):
        self.name, self.contender, self.plan, self.core = name, contender, plan, generator_core
        self.broker = contender.make()
        self.options = [word for option in contender.topic_options for word in ("--topic-option", option)]

    def bench(self, scenario, what, topic, words, seconds=None, warm_up=1):
        """One scenario's line, or None where the broker did not carry it."""
        seconds = seconds or self.plan["seconds"]
        tool = [str(BINARIES / "corelog-bench"), what, "-t", topic, *words, *self.options]
        timing = ["--seconds", str(seconds), "--warm-up", str(warm_up), "--json"]
        command = ["taskset", "-c", self.core, *tool, *timing, "-b", self.broker.address, "--pid", str(self.broker.process.pid)]
        shown = ["corelog-bench", what, "-t", topic, *words, *self.options, *timing, "-b", "$BROKER", "--pid", "$PID"]
        if what != "consume" and (refused := self.create(topic, words)):
            return {"broker": self.name, "scenario": scenario, "command": " ".join(shown), "seconds": seconds, "error": refused}
        before, began = self.broker.syncs(), time.monotonic()
        out = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds * 4 + 120)
        if self.broker.process.poll() is not None:
            raise RuntimeError(f"{self.name} ended by itself in {scenario!r}:\n{self.broker.log_tail()}")
        line = {"broker": self.name, "scenario": scenario, "command": " ".join(shown), "seconds": seconds}
        if before is not None:
            line["syncs_per_second"] = (self.broker.syncs() - before) / (time.monotonic() - began)
        if out.stdout.strip():
            line["figures"] = json.loads(out.stdout.splitlines()[0])
        if out.returncode != 0:
            line["error"] = out.stderr.strip()[-300:]
        return line

    def create(self, topic, words):
        """Before the load, with a moment for every partition's leader to be in place. Why it was refused, if it was."""
        partitions = words[words.index("-p") + 1] if "-p" in words else "1"
        options = [word for option in self.options[1::2] for word in ("-c", option)]
        asked = [str(BINARIES / "corelog"), "topic", "create", topic, "-p", partitions, "--if-not-exists", *options, "-b", self.broker.address]
        made = subprocess.run(asked, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        time.sleep(1)
        return made.stderr.strip()[-300:] if made.returncode != 0 else None

    def remove(self, topic):
        asked = [str(BINARIES / "corelog"), "topic", "delete", topic, "-b", self.broker.address]
        subprocess.run(asked, capture_output=True, stdin=subprocess.DEVNULL)
        time.sleep(1)

    def lines(self):
        began = self.broker.start()
        pid = self.broker.process.pid
        group = Cgroup(pid)
        try:
            yield {"broker": self.name, "scenario": "start", "command": "from the start of the process until it answers", "value": began}
            time.sleep(2)
            yield {"broker": self.name, "scenario": "RSS at start", "command": "VmRSS in /proc/$PID/status", "value": memory_mib(pid, "VmRSS")}
            before = thread_seconds(pid)
            time.sleep(self.plan["idle"])
            idle = (thread_seconds(pid) - before) / self.plan["idle"] * 100
            yield {"broker": self.name, "scenario": "idle", "command": "run time in /proc/$PID/task/*/schedstat", "value": idle}
            before = self.broker.long_steps()
            yield from self.load()
            if not self.contender.brief:
                yield from Beside(self).lines()
            after = self.broker.long_steps()
            yield {"broker": self.name, "scenario": "RSS peak", "command": "VmHWM in /proc/$PID/status", "value": memory_mib(pid, "VmHWM")}
            if (peak := group.peak_mib()) is not None:
                yield {"broker": self.name, "scenario": "memory with page cache", "command": "the peak of its cgroup's memory", "value": peak}
            for clock, name in STEP_METRICS.items() if after else ():
                more = after[clock] - before[clock]
                command = f"{name} of /metrics, before and after all loads"
                yield {"broker": self.name, "scenario": f"steps above 0.5 ms of {clock}", "command": command, "value": more.total(), "tasks": more}
            again = self.broker.restart()
            command = "SIGKILL, then from the start of the process on that data to its first acknowledgement"
            yield {"broker": self.name, "scenario": "start after SIGKILL", "command": command, "value": again}
        finally:
            self.broker.discard()
            group.remove()

    def load(self):
        brief = self.contender.brief
        warm = self.plan["warm"][0 if self.contender.warms else 1]
        self.bench("warm-up", "produce", "warm", list(SIZES.values())[0], warm)
        self.bench("warm-up", "consume", "warm", [], max(1, warm // 4))
        self.remove("warm")
        for number, (size, words) in enumerate(list(SIZES.items())[: BRIEF_SIZES if brief else None]):
            topic = f"full-{number}"
            yield self.bench(f"produce, full speed, {size}", "produce", topic, words)
            if number == 0 and not brief:
                yield self.bench("consume, full speed, a topic larger than --memory", "consume", topic, [])
            self.remove(topic)
        if not brief:
            yield self.bench("produce, full speed, 900 KiB batches", "produce", "large", LARGE)
            self.remove("large")
            yield from self.at_rates()
        saturated = False
        for rate in self.plan["rates"]:
            topic = f"rate-{rate}"
            if saturated or (brief and rate > BRIEF_RATE_MAX):
                continue
            line = self.bench(f"end to end at {rate}/s", "latency", topic, ["-r", str(rate), "-s", "1024"])
            line["rate"] = rate
            yield line
            saturated = "error" in line or line["figures"]["written"]["overdue"] > 0
            if rate == 1000 and not brief:
                yield self.bench("consume, full speed, a topic of a few MiB", "consume", topic, [])
            self.remove(topic)
        if not brief:
            yield from self.spread()

    def at_rates(self):
        """What a record costs where nobody is short of anything."""
        for size, rate in RATES.items():
            line = self.bench(f"produce at {rate}/s, {size}", "produce", "rated", at_rate(size))
            line["rate"] = rate
            yield line
            self.remove("rated")

    def spread(self):
        for partitions in self.plan["partitions"]:
            topic = f"spread-{partitions}"
            words = [*SPREAD, "-p", str(partitions)]
            line = self.bench(f"produce to {partitions} partitions, 4 KiB batches", "produce", topic, words)
            line["partitions"] = partitions
            yield line
            self.remove(topic)
        several = [*SPREAD, "--request-batches", "16", "-p", "100"]
        for keyed, words in [("unkeyed", []), ("keyed", ["--keys", "10000"])]:
            yield self.bench(f"produce to 100 partitions, 16 batches a request, {keyed}", "produce", f"{keyed}-100", several + words)
            self.remove(f"{keyed}-100")


class Profiled(Run):
    """Has every load recorded instead of measured."""

    def __init__(self, contender, plan, generator_core):
        super().__init__("profiled", contender, plan, generator_core)
        self.found = {}

    def bench(self, scenario, what, topic, words, seconds=None, warm_up=1):
        if scenario == "filling":
            return super().bench(scenario, what, topic, words, seconds, warm_up)
        # A topic is made first, and every load has a second of its own to warm up.
        begins = 1.5 if what == "consume" else 2.5
        recording = profiles.Recording(self.broker.process.pid, begins, self.plan["seconds"] - 0.5, self.broker.data.with_suffix(".perf"))
        line = super().bench(scenario, what, topic, words, seconds, warm_up)
        self.found[scenario] = recording.shares()
        return line


def profiled(contender, plan, generator_core):
    """Where its time goes under the loads that the aims are about: {scenario: {use: part}}, or why that is not known."""
    if why := profiles.missing():
        return why
    (size, plain), (_, short), (_, tiny) = SIZES.items()
    loads = [
        (f"produce at {RATES[size]}/s, {size}", "produce", "at-a-rate", at_rate(size)),
        (f"produce, full speed, {size}", "produce", "plain", plain),
        ("consume, full speed, a topic larger than --memory", "consume", "plain", []),
        ("produce, full speed, 100 B records, 64 KiB batches", "produce", "tiny", tiny),
        ("produce, full speed, 900 KiB batches", "produce", "large", LARGE),
        ("end to end at 20000/s", "latency", "rated", ["-r", "20000", "-s", "1024"]),
        ("produce to 1000 partitions, 4 KiB batches", "produce", "spread", [*SPREAD, "-p", "1000"]),
    ]
    if plan["thorough"]:
        loads += [(f"produce at {RATES[size]}/s, {size}", "produce", f"rate-{number}", at_rate(size)) for number, size in enumerate(SIZES) if number > 0]
        loads += [
            ("produce, full speed, 1 KiB records, 16 KiB batches", "produce", "short", short),
            ("end to end at 100000/s", "latency", "rated-more", ["-r", "100000", "-s", "1024"]),
            ("produce to 10000 partitions, 4 KiB batches", "produce", "spread-more", [*SPREAD, "-p", "10000"]),
        ]
    run = Profiled(contender, plan, generator_core)
    try:
        run.broker.start()
        for load in loads:
            run.bench(*load)
        if plan["thorough"]:
            run.remove("spread-more")
            for _ in Beside(run).lines():
                pass
    finally:
        run.broker.discard()
    return run.found


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("jars")
    arguments.add_argument("jars_old")
    arguments.add_argument("--quick", action="store_true", help="within ten minutes instead of sixty")
    arguments.add_argument("--smoke", action="store_true", help="a second each: to see that it works")
    arguments.add_argument("--runs", type=int, help="runs of every broker")
    arguments.add_argument("--out", type=Path, default=ROOT / "benches/results", help="where the report goes")
    arguments.add_argument("--memory", default="256M", help="Corelog's memory")
    arguments.add_argument("--only", action="append", help="a broker's name, as the report has it; may be repeated")
    arguments.add_argument("--profiles", action="store_true", help="only where Corelog's time goes, to profiles.md")
    given = arguments.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        sys.exit("a comparison needs two cores: one for the broker, one for the generator")
    room = os.statvfs("/tmp")
    if room.f_bavail * room.f_frsize < DISK_FREE_MIN:
        sys.exit(f"a comparison needs {DISK_FREE_MIN >> 30} GiB of free disk")
    plan = dict(SMOKE if given.smoke else QUICK if given.quick else FULL)
    plan["runs"] = given.runs or plan["runs"]
    compared = contenders(given.jars, given.jars_old, str(cpus[0]), given.memory)
    compared = {name: what for name, what in compared.items() if name not in plan.get("without", [])}
    if given.profiles:
        found = profiled(compared[MAIN], plan, str(cpus[1]))
        report.write_profiles(given.out, found, given.memory)
        return print(f"profiles: {given.out}/profiles.md")
    if given.only:
        compared = {name: compared[name] for name in given.only}
    told = {name: contender.told + ("; one run" if contender.once and plan["runs"] > 1 else "") for name, contender in compared.items()}
    began, results = time.time(), []
    limits = physical.measure(cpus[0], cpus[1])
    for number in range(1, plan["runs"] + 1):
        if not given.smoke:
            touch_memory()
        for name, contender in compared.items():
            if number > 1 and contender.once:
                continue
            for line in Run(name, contender, plan, str(cpus[1])).lines():
                line["run"] = number
                results.append(line)
                print(f"{time.time() - began:5.0f} s  run {number}  {name}: {report.told(line)}", flush=True)
            # What there is stays, should a later run not come to its end.
            report.write(given.out, results, told, {**plan, "runs": number}, cpus[:2], time.time() - began, limits, given.memory)
    if MAIN in compared:
        found = profiled(compared[MAIN], plan, str(cpus[1]))
        report.write(given.out, results, told, plan, cpus[:2], time.time() - began, limits, given.memory, found)
    print(f"report: {given.out}/report.md and {given.out}/report.html")


main()
