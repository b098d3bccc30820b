# Sourced by the shell clients: `check NAME FUNCTION ARGS…` runs the function under `set -e` and prints one line,
# `ok NAME` or `FAIL NAME reason`. `finish` exits with 1 if one failed.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
codecs=(none gzip snappy lz4 zstd)

check() {
  local name=$1
  shift
  # In the background, since bash ignores `set -e` in a function that is called as a condition.
  (
    set -euo pipefail
    "$@"
  ) >"$work/check.out" 2>&1 </dev/null &
  if wait $!; then
    echo "ok $name"
  else
    failed=1
    echo "FAIL $name $(tr -s '\n\t ' ' ' <"$work/check.out" | head -c 400)"
  fi
}

# Fails with the first line that differs.
same() {
  cmp "$1" "$2" || { diff -a "$1" "$2" | head -c 300; return 1; }
}

finish() {
  exit "$failed"
}

# `key TAB value` lines: any text but tabs and line ends.
text_records() {
  awk -v seed="$1" 'BEGIN { for (i = 0; i < 500; i++) {
    value = ""; for (j = 0; j < i % 40; j++) value = value sprintf("%s-%d-%d äöü ", seed, i, j)
    printf "key-%d\t%svalue %d\n", i, value, i } }'
}
