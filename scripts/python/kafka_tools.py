"""The same commands of Kafka's tools against Corelog and against Apache Kafka: `kafka_tools.py [--keep]`.

Runs scripts/kafka-tools/script on both and compares what each command prints and its exit code. What may differ is made
equal first, by the rules in `normal`; what Corelog does not serve is in MISSING. Prints `ok` and `FAIL` lines.
"""

import argparse
import difflib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

from apps import JAVA
from broker import BINARIES, ROOT, Broker, free_port

HERE = ROOT / "scripts" / "kafka-tools"
LIBS = ROOT / ".cache" / "kafka-4.3.0" / "libs"
START_SECONDS_MAX = 60
SCRIPT_SECONDS_MAX = 300
DONE_MIN = 150

# Served by Apache Kafka 4.3 and not here: transactions, security, quotas, share and streams groups, telemetry, and what moves
# replicas or tends a quorum come with later milestones. What is served by now may stand here.
MISSING = set(
    """SaslHandshake SaslAuthenticate AddPartitionsToTxn AddOffsetsToTxn EndTxn WriteTxnMarkers TxnOffsetCommit
    DescribeTransactions ListTransactions DescribeAcls CreateAcls DeleteAcls AlterReplicaLogDirs CreateDelegationToken
    RenewDelegationToken ExpireDelegationToken DescribeDelegationToken AlterPartitionReassignments DescribeClientQuotas
    AlterClientQuotas DescribeUserScramCredentials AlterUserScramCredentials DescribeQuorum
    UnregisterBroker GetTelemetrySubscriptions PushTelemetry
    ShareGroupHeartbeat ShareGroupDescribe ShareFetch ShareAcknowledge AddRaftVoter RemoveRaftVoter
    InitializeShareGroupState ReadShareGroupState WriteShareGroupState DeleteShareGroupState
    ReadShareGroupStateSummary StreamsGroupHeartbeat StreamsGroupDescribe DescribeShareGroupOffsets
    AlterShareGroupOffsets DeleteShareGroupOffsets GetReplicaLogInfo""".split()
)
# Likewise of features; metadata and quorum have versions of Kafka's own controllers.
FEATURES_MISSING = set(
    """eligible.leader.replicas.version kraft.version metadata.version share.version streams.version
    transaction.version""".split()
)

# Options whose value is each broker's own: CONFIGS where Corelog differs on purpose.
OWN_OPTIONS = """broker.heartbeat.interval.ms broker.session.timeout.ms log.dir""".split()
# Options that Kafka does not have.
CORELOG_OPTIONS = """durability log.durability allow.everyone.if.no.acl.found eligible.leader.replicas.enable
    leader.imbalance.per.broker.percentage super.users""".split()


def settings(address, controller, data):
    """One server.properties for both."""
    return (
        "node.id=1\nprocess.roles=broker,controller\n"
        f"listeners=PLAINTEXT://{address},CONTROLLER://{controller}\n"
        f"advertised.listeners=PLAINTEXT://{address}\ncontroller.listener.names=CONTROLLER\n"
        f"controller.quorum.voters=1@{controller}\n"
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
        f"log.dirs={data / 'log'}\nlog.retention.hours=48\nlog.roll.hours=100\n"
        "group.initial.rebalance.delay.ms=0\noffsets.topic.num.partitions=4\noffsets.topic.replication.factor=1\n"
    )


class Corelog(Broker):
    """A node of Corelog that takes all it is told from the same file as Kafka."""

    def __init__(self):
        super().__init__()
        self.controller = f"127.0.0.1:{free_port()}"
        self.file = self.data / "server.properties"
        self.file.write_text(settings(self.address, self.controller, self.data))

    def command(self):
        return [BINARIES / "corelogd", "--config", self.file, "--cores", self.cores]


class Kafka:
    """A node of Apache Kafka, from the jars that the tools come in."""

    def __init__(self):
        self.data = Path(tempfile.mkdtemp(prefix="kafka-"))
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.controller = f"127.0.0.1:{free_port()}"
        self.process = None

    def start(self):
        file = self.data / "server.properties"
        file.write_text(settings(self.address, self.controller, self.data))
        run = [*JAVA, "-cp", f"{LIBS}/*"]
        # Eligible leader replicas would set min.insync.replicas on the cluster's default.
        subprocess.run(
            [*run, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", file]
            + ["--feature", "eligible.leader.replicas.version=0"],
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        self.process = subprocess.Popen(
            [*run, "kafka.Kafka", file],
            stdin=subprocess.DEVNULL,
            stdout=open(self.data / "out", "w"),
            stderr=subprocess.STDOUT,
        )
        limit = time.monotonic() + START_SECONDS_MAX
        probe = ["bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{self.port}"]
        while subprocess.run(probe, capture_output=True, stdin=subprocess.DEVNULL).returncode != 0:
            if time.monotonic() > limit or self.process.poll() is not None:
                raise RuntimeError((self.data / "out").read_text()[-600:])
            time.sleep(0.2)

    def discard(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.data, ignore_errors=True)


def files_of_script(work):
    """Name in the script → content."""
    files = {
        "RESET": "orders,0,2\norders,2,1\n",
        "ELECT": '{"partitions":[{"topic":"orders","partition":1},{"topic":"bills","partition":0}]}',
        "MOVE": '{"topics":[{"topic":"orders"},{"topic":"bills"}],"version":1}',
    }
    for name, offsets in {"DELETE_2": [(0, 2)], "DELETE_9": [(0, 9)], "DELETE_ALL": [(0, -1), (2, 1)]}.items():
        parts = ",".join(f'{{"topic":"orders","partition":{part},"offset":{offset}}}' for part, offset in offsets)
        files[name] = f'{{"partitions":[{parts}],"version":1}}'
    for name, text in files.items():
        (work / name).write_text(text)
    return files


def run_script(address, work):
    """Command → what it printed, in the order of the script."""
    names = "|".join(files_of_script(work))
    script = re.sub(rf"\b({names})\b", lambda name: str(work / name.group()), (HERE / "script").read_text())
    (work / "script").write_text(script)
    command = [*JAVA, "-cp", f"{LIBS}/*", str(HERE / "Commands.java"), address, str(work / "script")]
    with open(work / "raw", "w") as raw, open(work / "errors", "w") as errors:
        ran = subprocess.run(command, stdout=raw, stderr=errors, stdin=subprocess.DEVNULL, timeout=SCRIPT_SECONDS_MAX)
    if ran.returncode != 0:
        raise RuntimeError(f"the script ended with {ran.returncode}: {(work / 'errors').read_text()[-600:]}")
    blocks, lines = [], []
    for line in (work / "raw").read_text(errors="replace").splitlines():
        if line.startswith("$ "):
            lines = []
            blocks.append((line[2:].replace(str(work) + "/", ""), lines))
        elif not re.fullmatch(r"# \d+ ms", line):
            lines.append(line)
    return blocks


UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def normal(command, lines, broker, work):
    """What is compared of one command's output."""
    text = "\n".join(lines)
    # Addresses, paths, ids, sizes, and when a tool logged its error.
    text = re.sub(r"(?m)^(\[?)\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ ", r"\1TIME ", text)
    text = re.sub(rf"(?<!\d){broker.port}(?!\d)", "PORT", text.replace(broker.address, "ADDRESS")).replace(str(work), "WORK")
    text = text.replace(broker.controller, "CONTROLLER").replace(str(broker.data), "DATA")
    text = re.sub(r"TopicId: \S+", "TopicId: ID", text)
    text = re.sub(r'"size":\d+', '"size":SIZE', text)
    text = re.sub(UUID, "ID", text)
    # What is in the order of a hash table over random ids or of a set.
    text = re.sub(r"(?<=Valid states are: ).*", lambda names: ", ".join(sorted(names.group().split(", "))), text)
    # Where a broker listens if nobody says is its own.
    text = re.sub(r"(?<=DEFAULT_CONFIG:listeners=)PLAINTEXT://(127.0.0.1)?:9092", "DEFAULT", text)
    lines = [line.rstrip() for line in text.splitlines()]
    words = command.split()
    runs = [(logged, list(some)) for logged, some in groupby(lines, lambda line: line.startswith("TIME "))]
    lines = [line for logged, some in runs for line in (sorted(some) if logged else some)]
    if words[0] == "configs":
        named = [(re.match(r"\s+(\S+?)=", line), line) for line in lines]
        lines = [line for name, line in named if not name or name.group(1) not in CORELOG_OPTIONS]
        lines = [re.sub(rf"^(\s+(?:{'|'.join(map(re.escape, OWN_OPTIONS))}))=.*", r"\1=OWN", line) for line in lines]
        # Known options come in the order of a hash table.
        options = sorted(line for line in lines if re.match(r"\s+\S+?=", line))
        lines = [line for line in lines if not re.match(r"\s+\S+?=", line)] + options
    if words[0] == "transactions":
        # A producer's id, the time it wrote, and the width of the columns.
        lines = [re.sub(r"^\d+", "ID", re.sub(r"\s+", " ", line)) for line in lines]
    if words[0] == "consumer-groups":
        # A member of the new protocol makes its id itself, of 22 letters.
        lines = [re.sub(r"(?<![\w-])[\w-]{22}(?![\w-])", "MEMBER", line) for line in lines]
        if "--members" in words:
            lines.sort()
    if words[0] == "delete-records":
        # The order in which the answers came.
        lines.sort()
    if words[0] == "features":
        lines = [line for line in lines if not FEATURES_MISSING & set(line.split())]
        lines = [re.sub(r"Epoch: \d+", "Epoch: N", line) for line in lines]
    if command == "configs --describe --entity-type topics":
        lines.sort()
    if words[:2] == ["cluster", "cluster-id"]:
        lines = [re.sub(r"(?<=: )\S{22}$", "ID", line) for line in lines]
    return lines


def versions(lines):
    """API → its range, and what a client would use."""
    found = {}
    for line in lines:
        served = re.match(r"\s+(\w+)\(\d+\): (\d+)(?: to (\d+))? \[usable: (\d+)", line)
        if served:
            name, first, last, usable = served.groups()
            found[name] = (int(first), int(last or first), int(usable))
    return found


def compare_versions(ours, theirs):
    ours, theirs = versions(ours), versions(theirs)
    wrong = [f"{name} is not served" for name in sorted(set(theirs) - set(ours) - MISSING)]
    wrong += [f"{name} is unknown to Kafka" for name in sorted(set(ours) - set(theirs))]
    for name in sorted(set(ours) & set(theirs)):
        # Older versions, of Kafka 3.9, may be served besides.
        if ours[name][0] > theirs[name][0] or ours[name][1:] != theirs[name][1:]:
            wrong.append(f"{name} {ours[name]}, Kafka {theirs[name]}")
    return wrong if ours and theirs else ["no versions at all"]


def compare(ours, theirs):
    """Whether all is equal."""
    done = sum(lines[-1:] == ["exit 0"] for _, lines in theirs)
    # Two brokers that refuse everything would be equal too.
    passed = done >= DONE_MIN
    print(f"{'ok' if passed else 'FAIL'} Apache Kafka does {done} of {len(theirs)} commands, at least {DONE_MIN}")
    for (command, our_lines), (their_command, their_lines) in zip(ours, theirs, strict=True):
        assert command == their_command
        if command == "api-versions":
            wrong = compare_versions(our_lines, their_lines)
        else:
            wrong = list(difflib.unified_diff(their_lines, our_lines, "kafka", "corelog", lineterm="", n=0))[2:]
        passed &= not wrong
        print(f"{'FAIL' if wrong else 'ok'} {command}" + "".join(f"\n     {line}" for line in wrong), flush=True)
    return passed


def commands_of(broker, work):
    """What the script's commands printed of a broker that lives for it, made comparable."""
    work.mkdir()
    try:
        broker.start()
        blocks = run_script(broker.address, work)
        return [(command, normal(command, lines, broker, work)) for command, lines in blocks]
    finally:
        broker.discard()


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keep", action="store_true", help="keep what both printed")
    given = arguments.parse_args()
    work = Path(tempfile.mkdtemp(prefix="kafka-tools-"))
    brokers = {"corelog": Corelog(), "kafka": Kafka()}
    with ThreadPoolExecutor() as both:
        running = [both.submit(commands_of, broker, work / name) for name, broker in brokers.items()]
        outputs = [one.result() for one in running]
    if given.keep:
        for name, blocks in zip(brokers, outputs):
            text = "\n".join("\n".join([f"$ {command}", *lines]) for command, lines in blocks)
            (work / name / "normal").write_text(text + "\n")
        print(f"# {work}")
    else:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(0 if compare(*outputs) else 1)


main()
