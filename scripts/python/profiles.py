"""What a broker's time goes to under a load, from the stacks that perf samples: the report's answer to why an aim was not reached."""

import re
import shutil
import subprocess
from collections import Counter

HERTZ = 1999
# The first of these that a frame of a sample's stack matches, whichever, tells what it was for. Names are the kernel's and ours.
USES = [
    ("page faults", r"asm_exc_page_fault|clear_page"),
    ("telling the device", r"virtqueue_notify|nvme_queue_rq|iowrite16"),
    ("interrupts and what the network does in them", r"asm_common_interrupt|asm_sysvec_|net_rx_action|do_softirq"),
    ("copying out of sockets", r"_copy_to_iter"),
    ("receiving, the rest", r"tcp_recvmsg|sock_recvmsg"),
    ("copying into sockets", r"_copy_from_iter"),
    ("sending, the rest", r"tcp_sendmsg|sock_sendmsg|splice"),
    ("disk reads", r"io_read|blkdev_read|ext4_file_read"),
    ("disk writes and syncs", r"io_write|ext4_file_write|fsync|sync_file|syncfs"),
    ("sleeping and waking", r"io_cqring_wait|schedule|eventfd"),
    ("rings, the rest", r"io_uring_enter|io_uring"),
    ("other work of the kernel", r"entry_SYSCALL_64"),
    ("copying in the broker", r"memmove|memcpy"),
    ("zeroing in the broker", r"memset"),
    ("CRC", r"crc"),
    ("checking records", r"engine::record"),
    ("allocating", r"\bmi_|\b_mi_|malloc|free\b"),
    ("executor", r"glommio"),
]
REST = "the rest of the broker"
USES_PATTERNS = [(use, re.compile(pattern)) for use, pattern in USES]


def missing():
    """Why there can be no profile here, or None."""
    if shutil.which("perf") is None:
        return "perf is not installed"
    tried = subprocess.run(["perf", "record", "-q", "-g", "-o", "/dev/null", "--", "true"], capture_output=True, text=True)
    return None if tried.returncode == 0 else f"perf may not record: {tried.stderr.strip().splitlines()[-1:]}"


def use_of(stack):
    for use, pattern in USES_PATTERNS:
        if any(pattern.search(frame) for frame in stack):
            return use
    return REST


def shares(data):
    """{use: its part of all samples} of a recording."""
    asked = ["perf", "script", "-i", str(data), "-F", "ip,sym"]
    out = subprocess.run(asked, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
    counts = Counter(use_of(block.splitlines()) for block in out.split("\n\n") if block.strip())
    total = sum(counts.values())
    return {use: count / total for use, count in counts.items()} if total else {}


class Recording:
    """Of a process, after a delay for so many seconds."""

    def __init__(self, pid, delay, seconds, data):
        self.data = data
        record = ["perf", "record", "-q", "-F", str(HERTZ), "-g", "-p", str(pid), "-D", str(int(delay * 1000)), "-o", str(data)]
        asked = [*record, "--", "sleep", str(delay + seconds)]
        self.process = subprocess.Popen(asked, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def shares(self):
        self.process.wait()
        found = shares(self.data)
        self.data.unlink(missing_ok=True)
        return found
