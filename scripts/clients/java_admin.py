"""Kafka's own admin client and idempotent producer: `java_admin.py BOOTSTRAP`."""

import os
import sys

from java_program import command

run = command("Admin")
os.execvp(run[0], [*run, sys.argv[1]])
