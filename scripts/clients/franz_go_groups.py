"""Groups by franz-go, of both protocols: `franz_go_groups.py BOOTSTRAP`."""

import sys
from pathlib import Path

from group_scenarios import scenarios
from records import run_side_by_side

BOOTSTRAP = sys.argv[1]
MEMBER = [str(Path(__file__).parents[2] / ".cache" / "franz-go")]
# A static member of 1.22.3 that leaves forgets to say which instance it is, so that its place stays taken for a session.
WITHOUT = ("static-consumer",)

run_side_by_side(
    scenarios("franz_go", BOOTSTRAP, MEMBER, has_consumer_protocol=True, migrating=("range", "cooperative-sticky"), without=WITHOUT)
)
