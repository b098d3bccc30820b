"""Kafka Connect in distributed mode against Corelog: `connect.py [--lines N] [--cores LIST]`.

A file source writes the lines of a file into a topic, a file sink writes the topic into a file. The worker is stopped and started,
then killed and started: it must know its connectors and go on where it was.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from functools import partial
from itertools import groupby

from apps import Checks, broker_and_app, wait_for
from broker import cores_default, free_port
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

TOPIC = "connect-lines"
INTERNAL = {name: f"connect-{name}" for name in ("config", "offset", "status")}
START_SECONDS_MAX = 90
LINES_SECONDS_MAX = 90


def properties(port, address, _work):
    converter = "org.apache.kafka.connect.storage.StringConverter"
    return {
        "bootstrap.servers": address,
        "group.id": "connect-compat",
        "listeners": f"http://127.0.0.1:{port}",
        "key.converter": converter,
        "value.converter": converter,
        **{f"{name}.storage.topic": topic for name, topic in INTERNAL.items()},
        **{f"{name}.storage.replication.factor": 1 for name in INTERNAL},
        "offset.storage.partitions": 5,
        "status.storage.partitions": 5,
        "offset.flush.interval.ms": 500,
        # A killed worker's place is free after this.
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 1000,
        "scheduled.rebalance.max.delay.ms": 0,
        "plugin.discovery": "service_load",
    }


class Rest:
    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}"

    def ask(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def try_ask(self, *words):
        """None where the worker is not ready for it."""
        try:
            return self.ask(*words)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def all_run(self, names):
        """Whether the tasks of these connectors run."""
        states = [self.try_ask("GET", f"/connectors/{name}/status") for name in names]
        return all(state and [task["state"] for task in state["tasks"]] == ["RUNNING"] for state in states)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lines", type=int, default=5000)
    arguments.add_argument("--cores", default=cores_default())
    given = arguments.parse_args()
    check = Checks()
    port = free_port()
    options = ["group.initial.rebalance.delay.ms=0"]
    worker = "org.apache.kafka.connect.cli.ConnectDistributed"
    with broker_and_app(given.cores, options, worker, partial(properties, port)) as (broker, app):
        admin = AdminClient({"bootstrap.servers": broker.address})
        admin.create_topics([NewTopic(TOPIC, 1)])[TOPIC].result(30)
        rest = Rest(port)
        source, sink = app.work / "source", app.work / "sink"
        connectors = {
            "source": {"connector.class": "FileStreamSource", "file": str(source), "topic": TOPIC},
            "sink": {"connector.class": "FileStreamSink", "file": str(sink), "topics": TOPIC},
        }
        written = []

        def write(count):
            """Appends lines to the source."""
            with open(source, "a") as file:
                for _ in range(count):
                    written.append(f"line {len(written)}")
                    file.write(written[-1] + "\n")

        def arrived():
            """The sink's lines, once the last is there."""
            lines = sink.read_text().splitlines() if sink.exists() else []
            return lines if lines[-1:] == written[-1:] else None

        def differs(lines):
            if lines == written:
                return ""
            first = next((at for at, pair in enumerate(zip(lines, written)) if pair[0] != pair[1]), min(len(lines), len(written)))
            return f"{len(lines)} lines for {len(written)}; the first difference is in line {first + 1}: {lines[first:first + 1]}"

        write(given.lines)
        app.start()
        wait_for(lambda: rest.try_ask("GET", "/connectors") is not None, START_SECONDS_MAX, "the worker answers")
        for name, config in connectors.items():
            wait_for(lambda: rest.try_ask("PUT", f"/connectors/{name}/config", config), START_SECONDS_MAX, f"{name} is taken")
        wait_for(lambda: rest.all_run(connectors), START_SECONDS_MAX, "both connectors run")
        lines = wait_for(arrived, LINES_SECONDS_MAX, "the lines arrive")
        check("a file goes through a topic into a file", differs(lines))

        resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in INTERNAL.values()]
        described = admin.describe_configs(resources)
        policies = {resource.name: described[resource].result(30)["cleanup.policy"].value for resource in resources}
        wrong = [f"{topic} is {policy}" for topic, policy in policies.items() if policy != "compact"]
        check("the worker's own topics are compacted", ", ".join(wrong))

        app.stop()
        write(given.lines)
        app.start()
        wait_for(lambda: rest.all_run(connectors), START_SECONDS_MAX, "both connectors run again")
        lines = wait_for(arrived, LINES_SECONDS_MAX, "the lines after the stop arrive")
        check("a worker that was stopped goes on where it was, without a line lost or doubled", differs(lines))

        app.kill()
        write(given.lines)
        app.start()
        wait_for(lambda: rest.all_run(connectors), START_SECONDS_MAX, "both connectors run after the kill")
        lines = wait_for(arrived, LINES_SECONDS_MAX, "the lines after the kill arrive")
        # At least once: what was not committed may come again, in its order.
        seen = set()
        firsts = [line for line in lines if not (line in seen or seen.add(line))]
        check("a worker that was killed loses no line", differs(firsts))

        rest.ask("PUT", "/connectors/sink/stop")
        stopped = wait_for(lambda: rest.try_ask("GET", "/connectors/sink/offsets"), START_SECONDS_MAX, "the sink's offsets")
        at = [one["offset"]["kafka_offset"] for one in stopped["offsets"]]
        ends = [one for one, _ in groupby(at)]
        check("the sink's offset is the end of the topic", "" if ends and ends[0] >= len(written) else f"{stopped}")
    sys.exit(0 if check.passed else 1)


main()
