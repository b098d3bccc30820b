"""Groups by Kafka's own client, of both protocols: `java_groups.py BOOTSTRAP`."""

import json
import sys
import time

from group_scenarios import scenarios
from java_program import command
from members import DEFAULTS
from records import run_side_by_side

BOOTSTRAP = sys.argv[1]
SAMPLE = {**DEFAULTS, "group": f"java-{time.time()}", "topic": "java-sample"}

member = command("Member", BOOTSTRAP, json.dumps(SAMPLE))
run_side_by_side(
    scenarios("java", BOOTSTRAP, member, has_consumer_protocol=True, migrating=["range", "cooperative-sticky"])
)
