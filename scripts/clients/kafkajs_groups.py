"""Groups by kafkajs, which knows the classic protocol and one eager assignor: `kafkajs_groups.py BOOTSTRAP`."""

import os
import sys
from pathlib import Path

from group_scenarios import scenarios
from records import run_side_by_side

BOOTSTRAP = sys.argv[1]
DIRECTORY = Path(__file__).parent
MEMBER = ["node", str(DIRECTORY / "kafkajs" / "member.js")]
# A pattern of its own finds the topics that are there when it subscribes.
WITHOUT = ("orderly-cooperative", "static", "pattern")

os.environ["NODE_PATH"] = str(DIRECTORY.parents[1] / ".cache" / "kafkajs" / "node_modules")
run_side_by_side(scenarios("kafkajs", BOOTSTRAP, MEMBER, has_consumer_protocol=False, without=WITHOUT))
