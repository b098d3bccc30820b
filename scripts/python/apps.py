"""Applications of Apache Kafka as processes: what they run with, how they are stopped."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from broker import ROOT, Broker

LIBS = ROOT / ".cache" / "kafka-apps-4.3.0" / "libs"
JAVA = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
JAVA += [f"-Dlog4j2.configurationFile={ROOT / 'scripts' / 'clients' / 'log4j2.properties'}"]
STOP_SECONDS_MAX = 60


class App:
    """A Java program with a properties file; what it prints is in `log`."""

    def __init__(self, main_class, properties):
        self.main_class = main_class
        self.work = Path(tempfile.mkdtemp(prefix="corelog-app-"))
        self.log = self.work / "log"
        self.properties = self.work / "properties"
        self.properties.write_text("".join(f"{key}={value}\n" for key, value in properties(self.work).items()))
        self.process = None

    def start(self):
        command = [*JAVA, "-cp", f"{LIBS}/*", self.main_class, str(self.properties)]
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def stop(self):
        """SIGTERM, and the end that must follow."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_SECONDS_MAX)
        self.process = None

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log_tail(self, lines=15):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    def discard(self):
        self.kill()
        shutil.rmtree(self.work, ignore_errors=True)


@contextmanager
def broker_and_app(cores, options, main_class, properties):
    """A broker that runs, and an application for it that does not yet: `properties` makes its own of the broker's address and its
    directory. What both printed last is shown if this ends with an error."""
    broker = Broker(cores, options=options)
    app = None
    try:
        broker.start()
        app = App(main_class, lambda work: properties(broker.address, work))
        yield broker, app
    except Exception:
        print(broker.log_tail(), app and app.log_tail(), sep="\n", file=sys.stderr)
        raise
    finally:
        if app:
            app.discard()
        broker.discard()


class Checks:
    """One line a check."""

    def __init__(self):
        self.passed = True

    def __call__(self, name, wrong):
        """`wrong` says what is, or nothing."""
        self.passed &= not wrong
        print(f"{'FAIL' if wrong else 'ok'} {name}" + (f": {wrong}" if wrong else ""), flush=True)


def wait_for(found, seconds, what):
    """Calls `found` until it is true, and returns what it gave."""
    limit = time.monotonic() + seconds
    while not (value := found()):
        if time.monotonic() > limit:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.2)
    return value
