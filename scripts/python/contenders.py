"""What is compared: Corelog and Apache Kafka, each one node, pinned to one core, on a data directory of its own."""

import ctypes
import mmap
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from broker import BINARIES, ROOT, Broker, free_port

CLEANING = "log.cleaner.backoff.ms=500"
LONG_STEP_S = 0.0005
STEP_METRICS = {"CPU time": "corelog_core_step_cpu_seconds", "wall time": "corelog_core_step_seconds"}

CGROUPS = [
    ("/sys/fs/cgroup/memory", "memory.usage_in_bytes", "memory.max_usage_in_bytes"),
    ("/sys/fs/cgroup", "memory.current", "memory.peak"),
]


def first_acknowledgement(broker):
    """Seconds from the start of a broker on data that it has to its first acknowledgement."""
    broker.kill()
    began = time.monotonic()
    broker.start()
    command = [BINARIES / "corelog", "produce", "restarted", "-b", broker.address]
    while subprocess.run(command, input="one\n", text=True, capture_output=True).returncode != 0:
        if time.monotonic() - began > 60:
            raise RuntimeError(f"nothing is acknowledged after a restart: {broker.log_tail()}")
    return time.monotonic() - began


class Corelog(Broker):
    """corelogd with its metrics at hand."""

    def __init__(self, core, flags):
        self.admin = f"127.0.0.1:{free_port()}"
        super().__init__(core, options=[CLEANING], flags=[*flags, "--admin-listen", self.admin])

    def metrics(self, name):
        """{labels: value}"""
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=10) as answer:
            lines = [line for line in answer.read().decode().splitlines() if line.startswith((name + "{", name + " "))]
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines}

    def long_steps(self):
        """How many steps of the cores' tasks have taken longer than `LONG_STEP_S`: {CPU or wall time: {task: count}}."""
        return {clock: self.steps_beyond(name) for clock, name in STEP_METRICS.items()}

    def steps_beyond(self, name):
        counts = Counter()
        for labels, count in self.metrics(name + "_bucket").items():
            task, bound = (re.search(f'{label}="([^"]+)"', labels)[1] for label in ("task", "le"))
            if float(bound) in (LONG_STEP_S, float("inf")):
                counts[task] += int(count) if bound == "+Inf" else -int(count)
        return counts

    def syncs(self):
        """Synced writes and syncs since its start."""
        return sum(self.metrics("corelog_syncs_total").values())

    def cleaned_bytes(self):
        written = self.metrics("corelog_disk_bytes_total")
        return sum(count for labels, count in written.items() if 'purpose="compact"' in labels and 'kind="write"' in labels)

    def restart(self):
        return first_acknowledgement(self)


class Kafka:
    """Apache Kafka in KRaft mode; the same verbs as `Corelog`."""

    def __init__(self, jars, core, options=()):
        self.jars, self.core = jars, core
        self.port, self.controller = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.data = Path(tempfile.mkdtemp(prefix="kafka-"))
        settings = [
            "node.id=1",
            "process.roles=broker,controller",
            f"listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{self.controller}",
            "controller.listener.names=CONTROLLER",
            f"controller.quorum.voters=1@127.0.0.1:{self.controller}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            f"log.dirs={self.data}/log",
            "offsets.topic.replication.factor=1",
            "log.segment.delete.delay.ms=500",
            CLEANING,
            *options,
        ]
        self.config = self.data / "server.properties"
        self.config.write_text("".join(f"{line}\n" for line in settings))
        format = self.java("256m", "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", str(self.config))
        subprocess.run(format, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def java(self, heap, *words):
        logging = [
            f"-Dlog4j2.configurationFile={ROOT}/scripts/clients/log4j2.properties",
            f"-Dlog4j.configuration=file:{ROOT}/scripts/clients/log4j.properties",
        ]
        gc = ["-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35"]
        return ["java", f"-Xmx{heap}", f"-Xms{heap}", *gc, *logging, "-cp", f"{self.jars}/libs/*", *words]

    def start(self):
        """Starts it and returns the seconds until it listened."""
        began = time.monotonic()
        with open(self.data / "out", "w") as log:
            self.process = subprocess.Popen(
                ["taskset", "-c", self.core, *self.java("1g", "kafka.Kafka", str(self.config))],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        asked = ["kcat", "-b", self.address, "-L", "-m", "2"]
        while subprocess.run(asked, capture_output=True, stdin=subprocess.DEVNULL).returncode != 0:
            if self.process.poll() is not None or time.monotonic() - began > 60:
                raise RuntimeError(f"Kafka did not start: {self.log_tail()}")
            time.sleep(0.05)
        return time.monotonic() - began

    def log_tail(self):
        return (self.data / "out").read_text(errors="replace")[-3000:]

    def long_steps(self):
        return None

    def syncs(self):
        return None

    def cleaned_bytes(self):
        return None

    def restart(self):
        return first_acknowledgement(self)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def discard(self):
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)


@dataclass(frozen=True)
class Contender:
    """`told`: what it is, for the report. `brief`: only loads that tell what syncing costs. `once`: one run is enough. `warms`: a virtual
    machine that compiles while it runs."""

    told: str
    make: Callable
    topic_options: tuple = ()
    brief: bool = False
    once: bool = False
    warms: bool = False


def contenders(jars, jars_old, core, memory):
    """{name: Contender}"""
    flush = "log.flush.interval.messages=1"
    corelog = lambda memory: lambda: Corelog(core, ["--memory", memory])
    kafka = lambda jars, *options: lambda: Kafka(jars, core, options)
    stable, cached = "acknowledges what is in stable storage", "acknowledges what is in the page cache"
    return {
        "Corelog sync": Contender(f"corelogd --memory {memory}; {stable}", corelog(memory)),
        "Corelog async": Contender(f"corelogd --memory {memory}; topics with durability=async", corelog(memory), ("durability=async",), brief=True),
        "Corelog 64M": Contender(f"corelogd --memory 64M; {stable}", corelog("64M"), once=True),
        "Kafka 4.3": Contender(f"Apache Kafka 4.3.0, 1 GiB heap; {cached}", kafka(jars), warms=True),
        "Kafka 3.9": Contender(f"Apache Kafka 3.9.2, 1 GiB heap; {cached}", kafka(jars_old), once=True, warms=True),
        "Kafka 4.3 flush": Contender(f"Apache Kafka 4.3.0, 1 GiB heap, {flush}", kafka(jars, flush), brief=True, warms=True),
    }  # fmt: skip


class Cgroup:
    """The memory of a process and of the pages it caches; nothing where cgroups cannot be made."""

    def __init__(self, pid):
        self.path = None
        for root, used, peak in CGROUPS:
            path = Path(root) / f"corelog-compare-{os.getpid()}-{pid}"
            try:
                if not (Path(root) / "cgroup.procs").exists():
                    continue
                path.mkdir()
                (path / "cgroup.procs").write_text(str(pid))
                (path / used).read_text()
                self.path, self.peak = path, path / peak
                return
            except OSError:
                if path.exists():
                    path.rmdir()

    def peak_mib(self):
        try:
            return int(self.peak.read_text()) / 1048576 if self.path else None
        except OSError:
            return None

    def remove(self):
        if self.path:
            try:
                self.path.rmdir()
            except OSError:
                pass  # The kernel removes pages in its own time; an empty group costs nothing.


def touch_memory():
    """A virtual machine's first touch of a page costs its host a fault: pay for them before anybody is measured."""
    available = next(line for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:"))
    left = int(int(available.split()[1]) * 1024 * 0.85)
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
