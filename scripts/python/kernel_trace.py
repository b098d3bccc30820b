"""Kernel events through tracefs, in an instance of one's own: recorded, read back in order, removed."""

import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

TRACING = Path("/sys/kernel/tracing")
BUFFER_KILOBYTES = 16 * 1024
LINE = re.compile(r"^\s*(.+)-(\d+)\s+\[\d+\]\s+\S+\s+(\d+)\.(\d{6}): (\w+)(?:: | (?=->)|(?=\())(.*)$")


class NotTraceable(Exception):
    """This machine does not let the events be recorded; says why."""


class Event(NamedTuple):
    """In the order in which the kernel saw them; `microseconds` is CLOCK_MONOTONIC."""

    microseconds: int
    command: str
    thread: int
    name: str
    text: str

    def number(self, key, base=0):
        """The number after `key` in the event's text."""
        found = re.search(rf"\b{key}:? (-?(?:0x)?[0-9a-f]+)", self.text)
        if not found:
            raise ValueError(f"no {key} in {self.name}: {self.text}")
        return int(found[1], base)

    def word(self, key):
        found = re.search(rf"\b{key} ([^\s,]+)", self.text)
        return found[1] if found else ""


class KernelTrace:
    """`events`: {"group/name": filter or None}. Records between entering and `stop`."""

    def __init__(self, events):
        self.instance = TRACING / "instances" / f"corelog-{os.getpid()}"
        self.events = events
        self.closing = ExitStack()

    def __enter__(self):
        try:
            self.instance.mkdir()
        except OSError as error:
            raise NotTraceable(f"no instance of tracefs: {error}") from error
        self.closing.callback(self.instance.rmdir)
        try:
            self.write("tracing_on", "0")
            self.write("trace_clock", "mono")
            self.write("buffer_size_kb", BUFFER_KILOBYTES)
            for event, wanted in self.events.items():
                if not (self.instance / "events" / event).is_dir():
                    raise NotTraceable(f"this kernel has no event {event}")
                if wanted:
                    self.write(f"events/{event}/filter", wanted)
                self.write(f"events/{event}/enable", "1")
            self.write("tracing_on", "1")
        except OSError as error:
            self.closing.close()
            raise NotTraceable(f"tracefs refuses: {error}") from error
        except BaseException:
            self.closing.close()
            raise
        return self

    def __exit__(self, *_):
        self.closing.close()

    def write(self, name, value):
        (self.instance / name).write_text(str(value))

    def stop(self):
        """The events; fails when the buffers were too small for all of them."""
        self.write("tracing_on", "0")
        for statistics in self.instance.glob("per_cpu/cpu*/stats"):
            lost = re.findall(r"^(?:overrun|dropped events): ([1-9]\d*)", statistics.read_text(), re.M)
            if lost:
                raise RuntimeError(f"the trace's buffers are too small: {lost} events were lost")
        found = []
        for line in (self.instance / "trace").read_text(errors="replace").splitlines():
            if line.startswith("#"):
                continue
            match = LINE.match(line)
            if not match:
                raise RuntimeError(f"a line of the trace that is not understood: {line!r}")
            command, thread, seconds, fraction, name, text = match.groups()
            found.append(Event(int(seconds) * 1_000_000 + int(fraction), command, int(thread), name, text))
        return found
