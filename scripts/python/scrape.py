"""Prints /metrics of a broker of its own, through which some records went: scrape.py"""

import subprocess
import sys
import urllib.request

from broker import BINARIES, Broker, free_port

TIMEOUT = 30


def main():
    admin = f"127.0.0.1:{free_port()}"
    broker = Broker(flags=["--admin-listen", admin, "--memory", "64M"])
    try:
        broker.start()
        for words, given in [
            (["topic", "create", "scraped", "--partitions", "3"], ""),
            (["produce", "scraped"], "one\ntwo\n"),
            (["consume", "scraped", "--exit"], ""),
            (["consume", "missing", "--exit"], ""),
        ]:
            command = [BINARIES / "corelog", *words, "-b", broker.address]
            # The last one fails: an error is counted too.
            subprocess.run(command, input=given, text=True, capture_output=True, timeout=TIMEOUT)
        with urllib.request.urlopen(f"http://{admin}/metrics", timeout=TIMEOUT) as answer:
            text = answer.read().decode()
        if "corelog_journal_commit_seconds_count" not in text:
            sys.exit("the scrape lacks what the records left behind")
        print(text, end="")
    finally:
        broker.discard()


if __name__ == "__main__":
    main()
