# Sourced by tests that run programs: starts them, waits for what they print, stops them at the end.
set -uo pipefail

failures=0
pids=()

fail() {
  echo "FAIL: $*" >&2
  failures=$((failures + 1))
}

# start NAME PROGRAM ARGS…: runs it in the background; its output goes to $TEST_TMPDIR/NAME.log, its process id to $pid.
start() {
  local name=$1
  shift
  "$@" >"$TEST_TMPDIR/$name.log" 2>&1 &
  pid=$!
  pids+=("$pid")
}

# await FILE TEXT: waits until the file holds the text, at most 30 s.
await() {
  local i
  for ((i = 0; i < 600; i++)); do
    grep -qF -- "$2" "$1" 2>/dev/null && return 0
    sleep 0.05
  done
  fail "\"$2\" did not appear in $1, which holds:"
  cat "$1" >&2
  return 1
}

# expect WANTED ACTUAL WHAT
expect() {
  [[ "$1" == "$2" ]] || fail "$3: wanted \"$1\", got \"$2\""
}

# expect_in TEXT FILE WHAT
expect_in() {
  grep -qF -- "$1" "$2" || { fail "$3: \"$1\" is not in:"; cat "$2" >&2; }
}

finish() {
  local p
  for p in "${pids[@]:-}"; do [[ -n "$p" ]] && kill -9 "$p" 2>/dev/null; done
  wait 2>/dev/null
  ((failures == 0)) && echo "passed" && exit 0
  echo "$failures failed" >&2
  exit 1
}
