# What the interop suites share; run.sh sources it, then one suite. A suite is a script that calls pass and fail.

passed=0
failed=0
pids=()            # of everything started in the background
work=$(mktemp -d)  # for logs and the like
end=$'\n'

clean_up() {
  local pid
  for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null; done
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

pass() {
  echo "PASS $1"
  passed=$((passed + 1))
}

# fail NAME WHY
fail() {
  echo "FAIL $1: $2"
  failed=$((failed + 1))
}

# finish: the closing line; the suite's exit code.
finish() {
  echo "$suite: $passed passed, $failed failed"
  ((failed == 0))
  exit
}

# build TARGET…: with Bazel; ends the suite when that fails. $binaries is where they are then.
build() {
  ./bazelw build "$@" >"$work/build.log" 2>&1 || {
    cat "$work/build.log"
    fail "build" "$* do not build"
    finish
  }
  binaries=$(./bazelw info bazel-bin 2>/dev/null)
}

# build_go FOLDER PACKAGE…: programs of the Go module in that folder, into $work; ends the suite when that fails.
build_go() {
  local folder=$1
  shift
  local go
  go=$(tests/interop/find_go.sh 2>&1) || {
    fail "go" "$go"
    finish
  }
  "$go" build -C "$folder" -o "$work/" "$@" >"$work/go.log" 2>&1 || {
    fail "go" "$* of $folder do not build (modules come from \`go env GOPROXY\`): $(cat "$work/go.log")"
    finish
  }
}

# make_certificates HOST: an authority's, $work/ca.pem, and one of the host that it signed, $work/server.pem and server.key; ends the
# suite when that fails.
make_certificates() {
  local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  (
    cd "$work" && echo "subjectAltName=DNS:$1" >server.ext &&
      openssl req -x509 "${key[@]}" -days 2 -subj /CN=interop-authority -keyout ca.key -out ca.pem &&
      openssl req -new "${key[@]}" -subj "/CN=$1" -keyout server.key -out server.csr &&
      openssl x509 -req -days 2 -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile server.ext -out server.pem
  ) >"$work/openssl.log" 2>&1 || {
    fail "certificates" "$(cat "$work/openssl.log")"
    finish
  }
}

# launch LOG COMMAND…: in the background, until its log has a line that begins with "ready " (or with $mark), at most 60 s. $pid is its
# id.
launch() {
  local log=$1 i
  shift
  : >"$log"
  "$@" >"$log" 2>&1 &
  pid=$!
  pids+=("$pid")
  for ((i = 0; i < 600; i++)); do
    grep -q "^${mark:-ready }" "$log" && return 0
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  return 1
}

# end_by_sigterm PID: answers with its exit code.
end_by_sigterm() {
  kill -TERM "$1"
  wait "$1"
}

# report LABEL EXIT_CODE OUTPUT LOG: what a program of checks said of each, `PASS name` or `FAIL name: why` a line. A code that says otherwise
# is a failure, too.
report() {
  local line count=0 before=$failed
  while read -r line; do
    case $line in
      "PASS "*) pass "$1: ${line#PASS }" ;;
      "FAIL "*) fail "$1: $(cut -d : -f 1 <<<"${line#FAIL }")" "$(cut -d : -f 2- <<<"$line")" ;;
    esac
    count=$((count + 1))
  done <"$3"
  if ((count == 0 || $2 > 1 || ($2 == 1 && failed == before))); then fail "$1: player" "exit code $2, $(tail -n 3 "$4")"; fi
}

# ready_word LOG NAME: what follows NAME= in the line that begins with "ready ".
ready_word() { sed -nE "s/^ready .*\b$2=([^ ]+).*/\1/p" "$1" | head -n 1; }
