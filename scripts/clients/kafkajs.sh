#!/usr/bin/env bash
# kafkajs: kafkajs.sh BOOTSTRAP
set -euo pipefail
. "$(dirname "$0")/../packages.sh"
need_kafkajs
exec node "$root/scripts/clients/kafkajs/checks.js" "$@"
