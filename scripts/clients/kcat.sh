#!/usr/bin/env bash
# kcat (librdkafka 2.0): kcat.sh BOOTSTRAP
set -euo pipefail
. "$(dirname "$0")/check.sh"
bootstrap=$1
prefix=kcat-$(date +%s%3N)
headers=(-H one=1 -H two=zwei -H empty=)

producer() {
  timeout 30 kcat -b "$bootstrap" -P -p 0 -X enable.idempotence=false -X message.timeout.ms=15000 "$@"
}

consumer() {
  timeout 30 kcat -b "$bootstrap" -C -q -e -p 0 "$@"
}

# Auto-creation: the first message meets a topic that is not there yet.
writes() {
  text_records "$1" >"$work/in"
  producer -t "$prefix-$1" -z "$1" -K $'\t' "${headers[@]}" -l "$work/in"
}

reads() {
  text_records "$1" >"$work/in"
  consumer -t "$prefix-$1" -o beginning -f '%k\t%s\n' >"$work/out"
  same "$work/in" "$work/out"
}

large_binary() {
  { head -c 400000 /dev/urandom; head -c 300000 /dev/zero; } >"$work/large"
  producer -t "$prefix-large-binary" -z "$1" "$work/large"
  consumer -t "$prefix-large-binary" -o -1 -c 1 -f %s >"$work/out"
  same "$work/large" "$work/out"
}

headers_and_timestamps() {
  local now
  now=$(date +%s%3N)
  consumer -t "$prefix-gzip" -o beginning -f '%h %T %o\n' >"$work/out"
  awk -v now="$now" '$1 != "one=1,two=zwei,empty=" { print "headers:", $0; exit 1 }
    $2 < now - 600000 || $2 > now + 1000 { print "timestamp:", $0, "now", now; exit 1 }
    $3 != NR - 1 { print "offset:", $0, "in line", NR; exit 1 }
    END { if (NR != 500) { print NR " records"; exit 1 } }' "$work/out"
}

from_an_offset() {
  text_records lz4 | sed -n 101,110p >"$work/expected"
  consumer -t "$prefix-lz4" -o 100 -c 10 -f '%k\t%s\n' >"$work/out"
  same "$work/expected" "$work/out"
}

by_time() {
  local topic=$prefix-by-time between found
  text_records before >"$work/before"
  text_records after >"$work/after"
  producer -t "$topic" -K $'\t' -l "$work/before"
  sleep 0.1
  between=$(date +%s%3N)
  sleep 0.1
  producer -t "$topic" -K $'\t' -l "$work/after"
  consumer -t "$topic" -o "s@$between" -f '%k\t%s\n' >"$work/out"
  same "$work/after" "$work/out"
  found=$(timeout 30 kcat -b "$bootstrap" -Q -t "$topic:0:$between")
  [[ $found == *"offset 500" ]] || { echo "queried: $found"; return 1; }
}

null_and_empty() {
  printf 'a\t\nb\tvalue\n' | producer -t "$prefix-null" -K $'\t' -Z
  printf 'c\t\n' | producer -t "$prefix-null" -K $'\t'
  consumer -t "$prefix-null" -o beginning -f '%k %S\n' >"$work/out"
  printf 'a -1\nb 5\nc 0\n' >"$work/expected"
  same "$work/expected" "$work/out"
}

acks() {
  text_records "$1" >"$work/in"
  producer -t "$prefix-acks-$1" -X "acks=$1" -K $'\t' -l "$work/in"
  consumer -t "$prefix-acks-$1" -o beginning -f '%k\t%s\n' >"$work/out"
  same "$work/in" "$work/out"
}

idempotent() {
  text_records idempotent >"$work/in"
  producer -t "$prefix-idempotent" -X enable.idempotence=true -z zstd -K $'\t' -l "$work/in"
  consumer -t "$prefix-idempotent" -o beginning -f '%k\t%s\n' >"$work/out"
  same "$work/in" "$work/out"
}

metadata() {
  timeout 30 kcat -b "$bootstrap" -L >"$work/out"
  grep -q "topic \"$prefix-none\" with " "$work/out" || { echo "not listed"; return 1; }
  timeout 30 kcat -b "$bootstrap" -L -J -t "$prefix-none" | grep -q '"partition":0,' || { echo "no partition 0"; return 1; }
}

for codec in "${codecs[@]}"; do
  check "${codec}_is_written" writes "$codec"
  check "${codec}_is_read_byte_for_byte" reads "$codec"
  check "large_binary_${codec}_is_read_byte_for_byte" large_binary "$codec"
done
check reads_headers_timestamps_and_offsets headers_and_timestamps
check reads_from_an_offset from_an_offset
check reads_and_asks_by_time by_time
check tells_null_from_empty null_and_empty
check writes_with_acks_0 acks 0
check writes_with_acks_1 acks 1
check writes_idempotently idempotent
check lists_topics metadata
finish
