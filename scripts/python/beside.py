"""What a steady producer and its reader notice of bulk work on the same broker: a cold read at full speed, and a compaction."""

import os
import signal
import subprocess
import time

from broker import BINARIES

RATE = 5000
BULK = ["-s", "1024", "--batch-records", "64"]
KEYED = ["-s", "1024", "--batch-records", "64", "--keys", "1000"]
COMPACTED = ["cleanup.policy=compact", "segment.bytes=16777216", "min.cleanable.dirty.ratio=0.01"]


class Beside:
    """Scenarios of one `Run`."""

    def __init__(self, run):
        self.run = run

    def steady(self, what, topic):
        line = self.run.bench(f"steady {RATE}/s, {what}", "latency", topic, ["-r", str(RATE), "-s", "1024"])
        line["rate"] = RATE
        return line

    def lines(self):
        run = self.run
        run.bench("filling", "produce", "bulk", BULK)
        yield self.steady("alone", "steady")
        reader = self.reader("bulk")
        try:
            yield self.steady("beside a cold read at full speed", "steady")
        finally:
            reader.send_signal(signal.SIGKILL)
            reader.wait()
        run.remove("bulk")
        before = run.broker.cleaned_bytes()
        plain, run.options = run.options, [word for option in COMPACTED for word in ("--topic-option", option)] + run.options
        run.bench("filling", "produce", "compacted", KEYED, run.plan["seconds"])
        run.options = plain
        # Every broker looks for what to compact twice a second.
        time.sleep(0.5)
        line = self.steady("beside a compaction", "steady")
        line["cleaned_bytes"] = None if before is None else run.broker.cleaned_bytes() - before
        yield line
        run.remove("compacted")
        run.remove("steady")

    def reader(self, topic):
        """Reads the topic over and over, as fast as it gets, where the measuring generator leaves it the core."""
        command = ["taskset", "-c", self.run.core, str(BINARIES / "corelog-bench"), "consume", "-t", topic, "--seconds", "600",
                   "-b", self.run.broker.address]  # fmt: skip
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, preexec_fn=lambda: os.nice(19), **quiet)
