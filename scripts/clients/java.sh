#!/usr/bin/env bash
# Kafka's Java console tools: java.sh BOOTSTRAP. Consumers by assigned partition.
set -euo pipefail
. "$(dirname "$0")/check.sh"
. "$(dirname "$0")/../packages.sh"
bootstrap=$1
prefix=java-$(date +%s%3N)

# The JVMs live for a second or two: start-up is what counts.
tool() {
  local class=$1
  shift
  timeout 60 java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dlog4j2.configurationFile="$root/scripts/clients/log4j2.properties" \
    -cp "$kafka_jars/libs/*" "org.apache.kafka.tools.$class" --bootstrap-server "$bootstrap" "$@"
}

# `key TAB value` lines with a header before them, as the console tools write and print it.
lines() {
  text_records "$1" | awk '{ printf "number:%d,name:ä\t%s\n", NR - 1, $0 }'
}

writes() {
  tool TopicCommand --create --topic "$prefix-$1" --partitions 1 --replication-factor 1
  lines "$1" | tool ConsoleProducer --topic "$prefix-$1" --compression-codec "$1" \
    --command-property enable.idempotence=false --command-property acks=all \
    --reader-property parse.key=true --reader-property parse.headers=true
}

# Timestamps and offsets are printed in front of what was written.
consume() {
  tool consumer.ConsoleConsumer --partition 0 --formatter-property print.timestamp=true --formatter-property print.offset=true \
    --formatter-property print.headers=true --formatter-property print.key=true --timeout-ms 15000 "$@"
}

reads() {
  local now
  lines "$1" >"$work/expected"
  consume --topic "$prefix-$1" --offset earliest --max-messages 500 >"$work/out"
  now=$(date +%s%3N)
  cut -f3- "$work/out" >"$work/records"
  same "$work/expected" "$work/records"
  awk -F'\t' -v now="$now" '{ split($1, t, ":"); split($2, o, ":") }
    t[1] != "CreateTime" || t[2] < now - 600000 || t[2] > now || o[2] != NR - 1 { print; exit 1 }' "$work/out"
}

from_an_offset() {
  lines none | sed -n 101,110p >"$work/expected"
  consume --topic "$prefix-none" --offset 100 --max-messages 10 | cut -f3- >"$work/out"
  same "$work/expected" "$work/out"
}

offsets() {
  local topic=$prefix-zstd first stamp
  first=$(consume --topic "$topic" --offset 250 --max-messages 1)
  stamp=${first#CreateTime:}
  stamp=${stamp%%$'\t'*}
  tool GetOffsetShell --topic-partitions "$topic:0" --time earliest >"$work/out"
  tool GetOffsetShell --topic-partitions "$topic:0" --time latest >>"$work/out"
  tool GetOffsetShell --topic-partitions "$topic:0" --time 0 >>"$work/out"
  printf '%s\n' "$topic:0:0" "$topic:0:500" "$topic:0:0" >"$work/expected"
  same "$work/expected" "$work/out"
  # Many records share a millisecond: the answer is the first of them.
  tool GetOffsetShell --topic-partitions "$topic:0" --time "$stamp" >"$work/out"
  awk -F: '$3 > 250 || $3 == "" { print "by time:", $0; exit 1 }' "$work/out"
  tool GetOffsetShell --topic-partitions "$topic:0" --time max-timestamp >"$work/out"
  awk -F: '$3 < 250 || $3 > 499 { print "max timestamp:", $0; exit 1 }' "$work/out"
}

topics() {
  tool TopicCommand --create --topic "$prefix-listed" --partitions 3 --replication-factor 1
  tool TopicCommand --list >"$work/out"
  grep -qx "$prefix-listed" "$work/out" || { echo "not listed"; return 1; }
  ! tool TopicCommand --create --topic "$prefix-listed" --partitions 3 >"$work/out" 2>&1 || { echo "created twice"; return 1; }
  grep -q 'already exists' "$work/out" || { cat "$work/out"; return 1; }
  tool TopicCommand --delete --topic "$prefix-listed"
  tool TopicCommand --list >"$work/out"
  ! grep -qx "$prefix-listed" "$work/out" || { echo "still listed"; return 1; }
}

for codec in "${codecs[@]}"; do
  check "${codec}_is_written" writes "$codec"
  check "${codec}_is_read_byte_for_byte" reads "$codec"
done
check reads_from_an_offset from_an_offset
check asks_for_offsets_by_time offsets
check creates_lists_and_deletes_topics topics
finish
