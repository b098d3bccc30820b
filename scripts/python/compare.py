"""Corelog beside Apache Kafka: `compare.py LOAD_TOOL KAFKA_JARS [--runs N] [--quick]`.

Both brokers alternately, each on one and the same core, with one and the same client (rdkafka_performance; corelog-bench for
latencies) on another; one partition, 1 KiB records, acks=all. Corelog acknowledges what is in stable storage, Kafka what is in the page cache
(`--kafka-flush` makes it sync every append, too). CPU is what the broker's process used, user and system, from /proc.
Prints one line a run, and a table of medians.
"""

import argparse
import ctypes
import json
import mmap
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from broker import BINARIES, ROOT, Broker, free_port

RECORD_BYTES = 1024
LATENCY_RATE = 20_000
TICKS = os.sysconf("SC_CLK_TCK")


class Kafka:
    """Apache Kafka, one node, pinned like Corelog; the same verbs as `Broker`."""

    def __init__(self, jars, core, flush):
        self.jars, self.core = jars, core
        self.port, self.controller = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.data = Path(tempfile.mkdtemp(prefix="kafka-"))
        settings = {
            "node.id": 1,
            "process.roles": "broker,controller",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self.controller}",
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": self.data / "log",
            "offsets.topic.replication.factor": 1,
        }
        if flush:
            settings["log.flush.interval.messages"] = 1
        self.config = self.data / "server.properties"
        self.config.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
        self.java("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", str(self.config))

    def command(self, heap, *words):
        logging = f"-Dlog4j2.configurationFile={ROOT}/scripts/clients/log4j2.properties"
        gc = ["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"]
        return ["java", f"-Xmx{heap}", f"-Xms{heap}", *gc, logging, "-cp", f"{self.jars}/libs/*", *words]

    def java(self, *words):
        subprocess.run(self.command("256m", *words), check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def start(self):
        began = time.monotonic()
        self.process = subprocess.Popen(
            ["taskset", "-c", self.core, *self.command("1g", "kafka.Kafka", str(self.config))],
            stdin=subprocess.DEVNULL,
            stdout=open(self.data / "out", "w"),
            stderr=subprocess.STDOUT,
        )
        while not answers(self.address):
            if self.process.poll() is not None or time.monotonic() - began > 60:
                sys.exit(f"Kafka did not start: {self.data}/out")
            time.sleep(0.05)
        return time.monotonic() - began

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)

    def discard(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.data, ignore_errors=True)


def answers(address):
    asked = ["kcat", "-b", address, "-L", "-m", "2"]
    return subprocess.run(asked, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(pid, what):
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def touch_memory():
    """A virtual machine's first touch of a page costs its host a fault: pay for them before anybody is measured."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            left = int(int(line.split()[1]) * 1024 * 0.85)
    step, chunks = 1 << 28, []
    while left >= step:
        chunk = mmap.mmap(-1, step)
        handle = ctypes.c_char.from_buffer(chunk)
        ctypes.memset(ctypes.addressof(handle), 1, step)
        del handle
        chunks.append(chunk)
        left -= step
    for chunk in chunks:
        chunk.close()


class Load:
    """rdkafka_performance on a core of its own."""

    def __init__(self, tool, core, address):
        self.address = address
        self.start = ["taskset", "-c", core, tool]
        self.common = ["-b", address, "-p", "0", "-s", str(RECORD_BYTES), "-u"]

    def run(self, seconds, *words):
        subprocess.run(
            [*self.start, *words, *self.common], check=True, timeout=seconds, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def produce(self, topic, count, *words):
        self.run(600, "-P", "-t", topic, "-c", str(count), "-a", "-1", *words)

    def consume(self, topic, count):
        self.run(600, "-C", "-t", topic, "-o", "beginning", "-c", str(count))

    def latency(self, seconds):
        """End-to-end latency at a rate, from the time a record was due, in ms. By `corelog-bench`: rdkafka_performance keeps
        its rate by spinning, and on one core with its reader that is what would be measured."""
        bench = [*self.start[:-1], str(BINARIES / "corelog-bench"), "latency", "-b", self.address, "-t", "latency"]
        settings = ["-r", str(LATENCY_RATE), "-s", str(RECORD_BYTES), "--seconds", str(seconds), "--warm-up", "5", "--json"]
        out = subprocess.run([*bench, *settings], check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
        read = json.loads(out.stdout)["read"]
        return {part: read[f"{part}_us"] / 1000 for part in ("p50", "p99", "p999")}


def measure(broker, load, sizes):
    """One run over a fresh broker: {figure: number}."""
    figures = {"start, s": broker.start()}
    pid = broker.process.pid
    # taskset execs the broker: the process is the same.
    time.sleep(3)
    figures["RSS at start, MiB"] = memory_mib(pid, "VmRSS")
    before = cpu_seconds(pid)
    time.sleep(sizes["idle"])
    figures["idle, % of a core"] = (cpu_seconds(pid) - before) / sizes["idle"] * 100

    load.produce("warm", sizes["warm"], "-X", "linger.ms=5")
    load.consume("warm", sizes["warm"])
    gigabytes = sizes["count"] * RECORD_BYTES / 1e9
    for name, work in (
        ("produce", lambda: load.produce("measured", sizes["count"], "-X", "linger.ms=5")),
        ("consume", lambda: load.consume("measured", sizes["count"])),
    ):
        before, began = cpu_seconds(pid), time.monotonic()
        work()
        used, seconds = cpu_seconds(pid) - before, time.monotonic() - began
        figures[f"{name}: CPU-s per GB"] = used / gigabytes
        figures[f"{name}: CPU-s per million records"] = used / sizes["count"] * 1e6
        figures[f"{name}: MB/s"] = gigabytes * 1000 / seconds
    for part, value in load.latency(sizes["latency"]).items():
        figures[f"end to end at {LATENCY_RATE}/s: {part}, ms"] = value
    figures["RSS under load, highest, MiB"] = memory_mib(pid, "VmHWM")
    broker.stop()
    return figures


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("tool")
    arguments.add_argument("jars")
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--quick", action="store_true", help="small counts: to see that it works")
    arguments.add_argument("--kafka-flush", action="store_true", help="Kafka syncs every append")
    arguments.add_argument("--only", choices=["corelog", "kafka"])
    arguments.add_argument("--flag", action="append", default=[], help="a flag for corelogd, as in --flag=--spin-us=20")
    given = arguments.parse_args()
    cpus = sorted(os.sched_getaffinity(0))
    if len(cpus) < 2:
        sys.exit("a comparison needs two cores: one for the broker, one for the client")
    broker_core, client_core = str(cpus[0]), str(cpus[1])
    sizes = {"count": 3_000_000, "warm": 5_000_000, "latency": 30, "idle": 20}
    if given.quick:
        sizes = {"count": 300_000, "warm": 300_000, "latency": 5, "idle": 5}

    makers = {
        "corelog": lambda: Broker(broker_core, flags=given.flag),
        "kafka": lambda: Kafka(given.jars, broker_core, given.kafka_flush),
    }
    if given.only:
        makers = {given.only: makers[given.only]}
    runs = {name: [] for name in makers}
    print(f"{BINARIES}/corelogd; broker on core {broker_core}, client on core {client_core}, "
          f"{sizes['count']} records of {RECORD_BYTES} bytes, {given.runs} runs", flush=True)  # fmt: skip
    for number in range(1, given.runs + 1):
        touch_memory()
        for name, make in makers.items():
            broker = make()
            try:
                figures = measure(broker, Load(given.tool, client_core, broker.address), sizes)
            finally:
                broker.discard()
            runs[name].append(figures)
            print(f"run {number}, {name}: " + ", ".join(f"{k} {v:.3g}" for k, v in figures.items()), flush=True)

    names = list(runs)
    print(f"\n| median of {given.runs} | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for figure in runs[names[0]][0]:
        medians = [statistics.median(run[figure] for run in runs[name]) for name in names]
        print(f"| {figure} | {' | '.join(f'{m:.3g}' for m in medians)} |")


main()
