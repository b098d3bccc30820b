"""Groups by confluent-kafka, of both protocols: `confluent_groups.py BOOTSTRAP`."""

import sys
from pathlib import Path

from group_scenarios import scenarios
from records import run_side_by_side

BOOTSTRAP = sys.argv[1]
MEMBER = [sys.executable, str(Path(__file__).with_name("confluent_member.py"))]

# librdkafka's cooperative-sticky leaves data of its own in the assignments at times: such a group Kafka does not migrate either.
run_side_by_side(scenarios("confluent", BOOTSTRAP, MEMBER, has_consumer_protocol=True, migrating=["range"]))
