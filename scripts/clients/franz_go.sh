#!/usr/bin/env bash
# franz-go: franz_go.sh BOOTSTRAP
set -euo pipefail
. "$(dirname "$0")/../packages.sh"
need_franz_go
exec "$franz_go" "$@"
