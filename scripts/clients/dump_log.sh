#!/usr/bin/env bash
# Kafka's DumpLogSegments as the judge of the segment files: dump_log.sh [--rolled] DATA_DIR
# Reads every segment under the directory with its indexes, and every snapshot of producers; --rolled leaves out each partition's
# active segment, and the snapshots: they are being written. Ends with
# a line of what it read; fails on any complaint.
set -euo pipefail
. "$(dirname "$0")/../packages.sh"
rolled=
[ "$1" != --rolled ] || { rolled=1; shift; }
out=$(mktemp)
trap 'rm -rf "$out"' EXIT

# Fails unless the tool knows every file and finds nothing to say about it but its contents.
dump() {
  java -Xmx512m -XX:+UseSerialGC -Dlog4j2.configurationFile="$root/scripts/clients/log4j2.properties" -cp "$kafka_jars/libs/*" \
    org.apache.kafka.tools.DumpLogSegments "$@" >"$out" 2>&1 || { tail -n 5 "$out" >&2; return 1; }
  complaints | { grep -a -v -E "$content" || true; } | awk 'NR <= 5 { print >"/dev/stderr" } END { exit NR > 0 }'
}

# The tool calls a segment's first offset non-consecutive when it is not 0 (-1 is followed by it), Kafka's own too. That is
# left out where the offset is the one in the file's name.
complaints() {
  awk '/^Non-consecutive offsets in / { held = $0; base = $NF; sub(/.*\//, "", base); base += 0; next }
    held != "" && /^ *-1 is followed by [0-9]+$/ && $NF == base && base > 0 { next }
    held != "" && !/ is followed by / { held = "" }
    held != "" { print held; held = "" }
    { print }' "$out"
}

# What a healthy dump prints, and nothing else: headings, batches, records, index entries. Batches must say that they are valid.
content='^(Dumping |[^ ]* is empty\.$|Log starting offset: |baseOffset: .* isvalid: true$|\| offset: [0-9]+ |offset: [0-9]+ position: [0-9]+$|timestamp: -?[0-9]+ offset: [0-9]+$|producerId: [0-9]+ producerEpoch: [0-9]+ coordinatorEpoch: |$)'

mapfile -t logs < <(find "$1" -regextype posix-extended -regex '.*/[0-9]{20}\.log' | sort)
if [ -n "$rolled" ]; then
  mapfile -t logs < <(printf '%s\n' "${logs[@]}" | awk -F/ '{ p = $0; sub("/[^/]*$", "", p); if (p == last) print line; last = p; line = $0 }')
fi
[ ${#logs[@]} -gt 0 ] && [ -n "${logs[0]}" ] || { echo "no segments in $1" >&2; exit 1; }
indexes=()
for log in "${logs[@]}"; do
  for index in "${log%.log}.index" "${log%.log}.timeindex"; do
    [ ! -e "$index" ] || indexes+=("$index")
  done
done

joined() {
  local IFS=,
  echo "$*"
}

for ((i = 0; i < ${#logs[@]}; i += 200)); do
  dump --deep-iteration --files "$(joined "${logs[@]:i:200}")"
done
for ((i = 0; i < ${#indexes[@]}; i += 200)); do
  dump --files "$(joined "${indexes[@]:i:200}")"
done
snapshots=()
[ -n "$rolled" ] || mapfile -t snapshots < <(find "$1" -name '*.snapshot' | sort)
for ((i = 0; i < ${#snapshots[@]}; i += 200)); do
  dump --files "$(joined "${snapshots[@]:i:200}")"
done
echo "${#logs[@]} segments, ${#indexes[@]} index files and ${#snapshots[@]} snapshots accepted"
