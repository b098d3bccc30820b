"""What each flag that tunes a core changes: `flags.py [--out FILE]`.

Every value of every flag alternately, the broker on one core and corelog-bench on another, each with a new data directory; medians. The table
says which load each flag is about.
"""

import argparse
import json
import os
import statistics
import subprocess
import time
from collections import defaultdict
from pathlib import Path

import report
from broker import BINARIES, ROOT, Broker

ROUNDS, SECONDS, WARM_UP = 3, 3, 1

PRODUCE = ("produce, full speed, 64 KiB batches", ["produce", "-t", "load", "-s", "1024", "--batch-records", "64"])
CONSUME = ("consume what was produced, full speed", ["consume", "-t", "load"])
LATENCY = ("end to end at 5000/s", ["latency", "-t", "rated", "-s", "1024", "-r", "5000"])

# By flag: its values, the default among them, and its loads. A consume reads what the produce before it wrote.
FLAGS = {
    "--memory": (["64M", "256M", "1G"], [PRODUCE, CONSUME]),
    "--spin-us": (["0", "50", "500"], [LATENCY]),
    "--ring-entries": (["64", "256", "1024"], [PRODUCE]),
    "--io-depth": (["128K", "512K", "4M"], [PRODUCE]),
    "--journal-extents": (["3", "8", "32"], [PRODUCE]),
    "--read-size": (["256K", "1M", "4M"], [PRODUCE, CONSUME]),
    "--segment-io": (["direct", "buffered"], [PRODUCE, CONSUME]),
    "--zero-copy-send": (["off", "32K"], [PRODUCE, CONSUME]),
}
NOTE = (
    f"1 KiB records, one connection, acks=all, `--memory 256M` where nothing else is said; {SECONDS} s a load after {WARM_UP} of warm-up, {ROUNDS} rounds, "
    "alternately: medians, with the lowest and highest. With `--cores LIST` each CPU has all of this for itself."
)


def words_of(flag, value):
    if flag == "--zero-copy-send":
        return [] if value == "off" else [f"{flag}={value}"]
    return [flag, value]


def measure(broker, core, words):
    """MB/s, CPU-seconds per GB, p50 and p99 in ms of one load."""
    command = ["taskset", "-c", core, BINARIES / "corelog-bench", *words, "--seconds", SECONDS, "--warm-up", WARM_UP, "--json"]
    command += ["-b", broker.address, "--pid", broker.process.pid]
    told = subprocess.run([str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True, timeout=120)
    figures = json.loads(told.stdout.splitlines()[0])
    end = report.main_end({"figures": figures})
    return [end["bytes"] / SECONDS / 1e6, figures["broker"]["cpu_s_per_gb"], end["p50_us"] / 1000, end["p99_us"] / 1000]


def cell(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g}–{max(values):.3g})"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, default=ROOT / "benches/results/flags.md", help="where the table goes")
    given = arguments.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    found = defaultdict(list)
    for turn in range(ROUNDS):
        for flag, (values, loads) in FLAGS.items():
            for value in values if turn % 2 == 0 else values[::-1]:
                memory = [] if flag == "--memory" else ["--memory", "256M"]
                broker = Broker(str(cpus[0]), flags=[*memory, *words_of(flag, value)])
                try:
                    broker.start()
                    for name, words in loads:
                        found[flag, value, name].append(measure(broker, str(cpus[-1]), words))
                        print(f"{flag} {value}: {name}: {' '.join(f'{figure:.3g}' for figure in found[flag, value, name][-1])}", flush=True)
                finally:
                    broker.discard()
    rows = [[f"`{flag}`", value, name, *map(cell, zip(*runs))] for (flag, value, name), runs in sorted(found.items(), key=order)]
    head = ["flag", "value", "load", "MB/s", "CPU-seconds per GB", "p50, ms", "p99, ms"]
    made = f"Made by `scripts/flags`; not edited. {report.host()}; {time.strftime('%Y-%m-%d %H:%M %Z')}; {report.version()}."
    given.out.write_text("\n\n".join(["# What the flags change", made, NOTE, report.markdown_table(head, rows)]) + "\n")
    print(f"table: {given.out}")


def order(found):
    flag, value, name = found[0]
    values, loads = FLAGS[flag]
    return list(FLAGS).index(flag), [load for load, _ in loads].index(name), values.index(value)


main()
