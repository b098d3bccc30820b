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
from pathlib import Path

from broker import ROOT, Broker, free_port

HERE = ROOT / "scripts" / "kafka-tools"
LIBS = ROOT / ".cache" / "kafka-4.3.0" / "libs"
JAVA = ["java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
JAVA += [f"-Dlog4j2.configurationFile={ROOT / 'scripts' / 'clients' / 'log4j2.properties'}"]
START_SECONDS_MAX = 60
SCRIPT_SECONDS_MAX = 300

# Served by Apache Kafka 4.3 and not here: transactions, security, quotas, share and streams groups, telemetry, and what moves
# replicas or tends a quorum come with later milestones; groups are being built. What is served by now may stand here.
MISSING = set(
    """OffsetCommit OffsetFetch JoinGroup Heartbeat LeaveGroup SyncGroup DescribeGroups ListGroups DeleteGroups OffsetDelete
    SaslHandshake SaslAuthenticate AddPartitionsToTxn AddOffsetsToTxn EndTxn WriteTxnMarkers TxnOffsetCommit
    DescribeTransactions ListTransactions DescribeAcls CreateAcls DeleteAcls AlterReplicaLogDirs CreateDelegationToken
    RenewDelegationToken ExpireDelegationToken DescribeDelegationToken AlterPartitionReassignments DescribeClientQuotas
    AlterClientQuotas DescribeUserScramCredentials AlterUserScramCredentials DescribeQuorum UpdateFeatures
    UnregisterBroker ConsumerGroupHeartbeat ConsumerGroupDescribe GetTelemetrySubscriptions PushTelemetry
    ShareGroupHeartbeat ShareGroupDescribe ShareFetch ShareAcknowledge AddRaftVoter RemoveRaftVoter
    InitializeShareGroupState ReadShareGroupState WriteShareGroupState DeleteShareGroupState
    ReadShareGroupStateSummary StreamsGroupHeartbeat StreamsGroupDescribe DescribeShareGroupOffsets
    AlterShareGroupOffsets DeleteShareGroupOffsets GetReplicaLogInfo""".split()
)

# Options whose value is each broker's own: addresses, paths, and CONFIGS where Corelog differs on purpose.
OWN_OPTIONS = """advertised.listeners listeners listener.security.protocol.map log.dir log.dirs node.id broker.id process.roles
    controller.listener.names controller.quorum.voters broker.heartbeat.interval.ms broker.session.timeout.ms
    group.consumer.assignors""".split()
# Options that Kafka does not have.
CORELOG_OPTIONS = """durability log.durability allow.everyone.if.no.acl.found eligible.leader.replicas.enable
    leader.imbalance.per.broker.percentage super.users""".split()


class Kafka:
    """A node of Apache Kafka, from the jars that the tools come in."""

    def __init__(self):
        self.data = Path(tempfile.mkdtemp(prefix="kafka-"))
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        controller = free_port()
        (self.data / "server.properties").write_text(
            "node.id=1\nprocess.roles=broker,controller\n"
            f"listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}\n"
            f"advertised.listeners=PLAINTEXT://{self.address}\ncontroller.listener.names=CONTROLLER\n"
            f"controller.quorum.voters=1@127.0.0.1:{controller}\n"
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT\n"
            f"log.dirs={self.data / 'log'}\n"
        )
        run = [*JAVA, "-cp", f"{LIBS}/*"]
        # Eligible leader replicas would set min.insync.replicas on the cluster's default.
        subprocess.run(
            [*run, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c", self.data / "server.properties"]
            + ["--feature", "eligible.leader.replicas.version=0"],
            check=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
        )
        self.process = subprocess.Popen(
            [*run, "kafka.Kafka", self.data / "server.properties"],
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


def run_script(address, work):
    """Command → what it printed, in the order of the script."""
    for name, offsets in {"DELETE_2": [(0, 2)], "DELETE_9": [(0, 9)], "DELETE_ALL": [(0, -1), (2, 1)]}.items():
        parts = ",".join(f'{{"topic":"orders","partition":{part},"offset":{offset}}}' for part, offset in offsets)
        (work / name).write_text(f'{{"partitions":[{parts}],"version":1}}')
    script = re.sub(r"DELETE_\w+", lambda name: str(work / name.group()), (HERE / "script").read_text())
    (work / "script").write_text(script)
    command = [*JAVA, "-cp", f"{LIBS}/*", str(HERE / "Commands.java"), address, str(work / "script")]
    ran = subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=SCRIPT_SECONDS_MAX, errors="replace"
    )
    if ran.returncode != 0:
        raise RuntimeError(f"the script ended with {ran.returncode}: {ran.stderr[-600:]}")
    blocks, lines = [], []
    for line in ran.stdout.splitlines():
        if line.startswith("$ "):
            lines = []
            blocks.append((line[2:].replace(str(work) + "/", ""), lines))
        else:
            lines.append(line)
    return blocks


def normal(command, lines, broker, work):
    """What is compared of one command's output."""
    text = "\n".join(lines)
    # Addresses, paths, ids, sizes, and when a tool logged its error.
    text = re.sub(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+ ", "TIME ", text)
    text = text.replace(broker.address, "ADDRESS").replace(str(work), "WORK")
    text = re.sub(rf"{re.escape(str(broker.data))}(/log)?", "DATA", text)
    text = re.sub(r"TopicId: \S+", "TopicId: ID", text)
    text = re.sub(r'"size":\d+', '"size":SIZE', text)
    lines = [line.rstrip() for line in text.splitlines()]
    words = command.split()
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
    passed = True
    for (command, our_lines), (their_command, their_lines) in zip(ours, theirs, strict=True):
        assert command == their_command
        if command == "api-versions":
            wrong = compare_versions(our_lines, their_lines)
        else:
            wrong = list(difflib.unified_diff(their_lines, our_lines, "kafka", "corelog", lineterm="", n=0))[2:]
        passed &= not wrong
        print(f"{'FAIL' if wrong else 'ok'} {command}" + "".join(f"\n     {line}" for line in wrong), flush=True)
    return passed


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--keep", action="store_true", help="keep what both printed")
    given = arguments.parse_args()
    work = Path(tempfile.mkdtemp(prefix="kafka-tools-"))
    outputs = []
    for broker in (Broker(), Kafka()):
        try:
            broker.start()
            blocks = run_script(broker.address, work)
            outputs.append([(command, normal(command, lines, broker, work)) for command, lines in blocks])
        finally:
            broker.discard()
    if given.keep:
        for name, blocks in zip(("corelog", "kafka"), outputs):
            text = "\n".join("\n".join([f"$ {command}", *lines]) for command, lines in blocks)
            (work / name).write_text(text + "\n")
        print(f"# {work}")
    else:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(0 if compare(*outputs) else 1)


main()
