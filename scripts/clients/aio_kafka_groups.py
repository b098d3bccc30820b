"""Groups by aiokafka, which knows the classic protocol and eager assignors: `aio_kafka_groups.py BOOTSTRAP`."""

import sys
from pathlib import Path

from group_scenarios import scenarios
from records import run_side_by_side

BOOTSTRAP = sys.argv[1]
MEMBER = [sys.executable, str(Path(__file__).with_name("aio_kafka_member.py"))]
# It does not know the error that a fenced member is told, and has no commit that is not waited for.
WITHOUT = ("orderly-cooperative", "fences_a_duplicate_of_an_instance", "commit-async")

run_side_by_side(scenarios("aiokafka", BOOTSTRAP, MEMBER, has_consumer_protocol=False, without=WITHOUT))
