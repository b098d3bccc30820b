"""A corelogd of one's own: on a free port of 127.0.0.1, started until it says that it listens, killed or stopped."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BINARIES = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 60


class BrokerFailed(Exception):
    """corelogd did not start, or ended by itself; the message holds the end of its log."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cores_default():
    """Two cores where the machine has them."""
    cpus = sorted(os.sched_getaffinity(0))
    return ",".join(map(str, cpus[:2]))


class Broker:
    """Keeps its data directory over restarts; `discard` removes it. The port stays the same, so that clients reconnect."""

    def __init__(self, cores=None, options=(), flags=(), data=None):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.cores = cores or cores_default()
        self.data = Path(data or tempfile.mkdtemp(prefix="corelog-"))
        self.log = self.data.with_name(self.data.name + ".log")
        self.flags = list(flags) + [word for option in options for word in ("-o", option)]
        self.process = None

    def command(self):
        return [BINARIES / "corelogd", "--data-dir", self.data, "--listen", self.address, "--cores", self.cores, *self.flags]

    def spawn(self):
        """Starts the process without waiting; returns the event of its readiness, or of its end."""
        self.process = subprocess.Popen(
            [str(word) for word in self.command()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        ready = threading.Event()
        self.reader = threading.Thread(target=self._copy_log, args=(self.process.stdout, ready), daemon=True)
        self.reader.start()
        return ready

    def start(self):
        """Starts it and returns the seconds until it listened."""
        began = time.monotonic()
        ready = self.spawn()
        if not ready.wait(START_SECONDS_MAX) or self.process.poll() is not None:
            self.kill()
            raise BrokerFailed(f"corelogd did not start:\n{self.log_tail()}")
        return time.monotonic() - began

    def _copy_log(self, pipe, ready):
        with open(self.log, "a") as log:
            for line in pipe:
                log.write(line)
                log.flush()
                if re.search(r"\blistening on\b", line):
                    ready.set()
        ready.set()

    def log_tail(self, lines=15):
        return "\n".join(self.log.read_text().splitlines()[-lines:]) if self.log.exists() else ""

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """SIGKILL; nothing of it is left when this returns."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.reader.join()
        self.process = None

    def stop(self):
        """SIGTERM, and the clean end that must follow."""
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BrokerFailed(f"corelogd did not stop within {STOP_SECONDS_MAX} s:\n{self.log_tail()}") from None
        self.reader.join()
        self.process = None
        if code != 0:
            raise BrokerFailed(f"corelogd ended with {code} after SIGTERM:\n{self.log_tail()}")

    def discard(self):
        self.kill()
        shutil.rmtree(self.data, ignore_errors=True)
        self.log.unlink(missing_ok=True)


@contextmanager
def broker_to_test(bootstrap, **settings):
    """The address of a broker: `bootstrap`, which runs already, or else a corelogd of one's own, which must live to the end."""
    if bootstrap:
        yield bootstrap
        return
    broker = Broker(**settings)
    try:
        broker.start()
        yield broker.address
        if not broker.is_running():
            raise BrokerFailed(f"corelogd ended by itself: {' '.join(broker.log_tail(5).split())}")
    except BrokerFailed as error:
        print(f"FAIL broker: {error}", flush=True)
        sys.exit(1)
    finally:
        broker.discard()
