"""Every client against a broker: `matrix.py [--bootstrap ADDRESS | --cores LIST] [CLIENT…]`.

Without an address it runs a corelogd of its own, and lets Kafka's DumpLogSegments judge its files at the end: the
rolled segments while it runs, all of them after a clean stop. Prints `ok`, `FAIL` or `skip` lines.
"""

import argparse
import concurrent.futures
import subprocess
import sys
import time

from broker import ROOT, Broker, BrokerFailed

# These run beside each other, first, the longest before the others; what they wrote is there for confluent to read.
BESIDE = {
    "java_groups": "java_groups.py",
    "java": "java.sh",
    "confluent_groups": "confluent_groups.py",
    "kafka_python_groups": "kafka_python_groups.py",
    "kcat_groups": "kcat_groups.py",
    "java_admin": "java_admin.py",
    "confluent_admin": "confluent_admin.py",
    "kafka_python_admin": "kafka_python_admin.py",
    "franz_go_groups": "franz_go_groups.py",
    "aiokafka_groups": "aio_kafka_groups.py",
    "kafkajs_groups": "kafkajs_groups.py",
    "aiokafka": "aio_kafka.py",
    "kafkajs": "kafkajs.sh",
    "franz_go": "franz_go.sh",
}
BESIDE_AT_ONCE = 3
CLIENTS = BESIDE | {"kcat": "kcat.sh", "kafka_python": "kafka_python.py", "confluent": "confluent.py"}
CLIENT_SECONDS_MAX = 400
# Groups do not wait for more members than come at once, and a group may say how soon it misses a member.
OPTIONS = [
    "log.segment.bytes=1048576",
    "group.initial.rebalance.delay.ms=100",
    "group.consumer.min.session.timeout.ms=6000",
    "group.consumer.min.heartbeat.interval.ms=500",
    "group.consumer.heartbeat.interval.ms=500",
]


def client(name, address):
    """Runs one client and returns whether all its checks passed."""
    path = ROOT / "scripts" / "clients" / CLIENTS[name]
    command = [sys.executable, str(path)] if path.suffix == ".py" else [str(path)]
    began, failed, lines = time.monotonic(), False, 0
    process = subprocess.Popen(
        ["timeout", str(CLIENT_SECONDS_MAX), *command, address],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    for line in process.stdout:
        verdict, _, rest = line.strip().partition(" ")
        if verdict in ("ok", "FAIL", "skip"):
            lines += 1
            failed |= verdict == "FAIL"
            sys.stdout.write(f"{verdict} {name}: {rest}\n")
            sys.stdout.flush()
    noise = process.stderr.read().strip().splitlines()
    code = process.wait()
    if code not in (0, 1) or lines == 0 or (code == 1 and not failed):
        why = f"no answer within {CLIENT_SECONDS_MAX} s" if code == 124 else f"ended with {code}"
        print(f"FAIL {name}: {why}: {noise[-1] if noise else 'nothing on stderr'}", flush=True)
        failed = True
    print(f"# {name}: {time.monotonic() - began:.0f} s", flush=True)
    return not failed


def clients_beside(names, address):
    """Runs those of the named clients that can run beside each other, and returns whether all passed, and the other names."""
    with concurrent.futures.ThreadPoolExecutor(BESIDE_AT_ONCE) as pool:
        passed = list(pool.map(lambda name: client(name, address), [name for name in names if name in BESIDE]))
    return all(passed), [name for name in names if name not in BESIDE]


def judge(name, broker, *flags, seconds=0):
    """DumpLogSegments over the broker's files; asks again for as long as so many seconds."""
    script = ROOT / "scripts" / "clients" / "dump_log.sh"
    limit = time.monotonic() + seconds
    while True:
        result = subprocess.run(
            [str(script), *flags, str(broker.data)], capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        if result.returncode == 0 or time.monotonic() > limit:
            break
        time.sleep(5)
    said = " ".join((result.stdout if result.returncode == 0 else result.stderr).split())[:400]
    print(f"{'ok' if result.returncode == 0 else 'FAIL'} dump_log: {name} ({said})", flush=True)
    return result.returncode == 0


def fill_segments(broker):
    """A topic of 1 MiB segments, so that some have rolled, in two codecs."""
    make = "head -c 6000000 /dev/urandom | base64 -w 600"
    for codec in ("none", "lz4"):
        write = f"kcat -b {broker.address} -P -t rolled -p 0 -z {codec} -X message.timeout.ms=15000"
        subprocess.run(["bash", "-c", f"set -o pipefail; {make} | {write}"], check=True, stdin=subprocess.DEVNULL)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--bootstrap", help="a broker that runs already")
    arguments.add_argument("--cores", help="the cores of our own")
    arguments.add_argument("--keep", action="store_true", help="keep the data directory and the log")
    arguments.add_argument("clients", nargs="*", help=f"of {', '.join(CLIENTS)}")
    given = arguments.parse_args()
    names = given.clients or list(CLIENTS)
    if given.bootstrap:
        passed, names = clients_beside(names, given.bootstrap)
        sys.exit(0 if all([passed] + [client(name, given.bootstrap) for name in names]) else 1)
    broker = Broker(given.cores, options=OPTIONS)
    passed = True
    try:
        broker.start()
        passed, names = clients_beside(names, broker.address)
        if not broker.is_running():
            raise BrokerFailed(f"corelogd ended: {' '.join(broker.log_tail(5).split())}")
        for name in names:
            passed &= client(name, broker.address)
            if not broker.is_running():
                raise BrokerFailed(f"corelogd ended during {name}: {' '.join(broker.log_tail(5).split())}")
        fill_segments(broker)
        # A segment's last bytes reach it from the journal with the next checkpoint, a minute later at most.
        passed &= judge("accepts every rolled segment of a running broker", broker, "--rolled", seconds=90)
        broker.stop()
        passed &= judge("accepts every segment after a clean stop", broker)
    except (BrokerFailed, subprocess.CalledProcessError) as error:
        passed = False
        print(f"FAIL broker: {' '.join(str(error).split())[:600]}", flush=True)
    finally:
        if given.keep:
            broker.kill()
            print(f"# data {broker.data}, log {broker.log}")
        else:
            broker.discard()
    sys.exit(0 if passed else 1)


main()
