"""Groups by kafka-python, which knows the classic protocol: `kafka_python_groups.py BOOTSTRAP`."""

import sys
from pathlib import Path

from group_scenarios import scenarios
from records import run_side_by_side

BOOTSTRAP = sys.argv[1]
MEMBER = [sys.executable, str(Path(__file__).with_name("kafka_python_member.py"))]

# It passes over the heartbeat that says that it is fenced; it hears of it when it commits.
run_side_by_side(scenarios("kafka_python", BOOTSTRAP, MEMBER, has_consumer_protocol=False, static_commit="sync"))
