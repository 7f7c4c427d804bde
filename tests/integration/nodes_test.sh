#!/usr/bin/env bash
# What the interop client tells of a service's nodes, one of which registers an address that nobody listens on.
source examples/test_programs.sh
discovery=(--registry=mdns --registry_address=lo)
client=(tests/interop/client "${discovery[@]}")
number='[0-9.]+(ns|us|ms|s)'

# expect_lines FILE WHAT PATTERN…: the file's lines, in order, each match an extended regular expression.
expect_lines() {
  local file=$1 what=$2 lines i
  shift 2
  mapfile -t lines <"$file"
  expect "$#" "${#lines[@]}" "lines of $what"
  for ((i = 0; i < $#; i++)); do
    [[ "${lines[i]:-}" =~ ^${@:i+1:1}$ ]] || fail "$what: line \"${lines[i]:-}\" does not match ${*:i+1:1}"
  done
}

start one tests/interop/service "${discovery[@]}" --server_address=127.0.0.1:0 --server_id=1 --server_version=1.0.0 \
  --server_metadata=weight=2.5,locality=eu/a --server_debug
await "$TEST_TMPDIR/one.log" "ready name=helloworld"
start two tests/interop/service "${discovery[@]}" --server_address=127.0.0.1:0 --server_id=2 --server_version=2.0.0 \
  --server_advertise=127.0.0.1:1
await "$TEST_TMPDIR/two.log" "ready name=helloworld"

"${client[@]}" --call=nodes >"$TEST_TMPDIR/nodes.out" 2>&1
expect 0 $? "exit code of --call=nodes"
expect_lines "$TEST_TMPDIR/nodes.out" "--call=nodes" \
  "service helloworld: strategy random, 2 nodes, confirmed $number ago, registry ok" \
  "node helloworld-1 127\.0\.0\.1:[0-9]+ version=1\.0\.0 locality=eu/a weight=2\.5 in_flight=0 calls=0 latency=- usable" \
  "node helloworld-2 127\.0\.0\.1:1 version=2\.0\.0 locality=- weight=1 in_flight=0 calls=0 latency=- usable"

cat >"$TEST_TMPDIR/rules.yaml" <<'RULES'
services:
  helloworld:
    rules:
      - {name: testers, match: {X-Canary: "true"}, route: {version: 2.0.0}}
      - {name: canary, route: [{version: 1.0.0, weight: 90}, {version: 3.0.0, weight: 10}]}
RULES
"${client[@]}" --call=nodes --traffic_rules="$TEST_TMPDIR/rules.yaml" >"$TEST_TMPDIR/rules.out" 2>&1
expect 0 $? "exit code with --traffic_rules"
expect_lines "$TEST_TMPDIR/rules.out" "--traffic_rules" "service .*" "node helloworld-1 .*" "node helloworld-2 .*" \
  "rule testers, when X-Canary is true: version 2\.0\.0 weight 1 \(1 node\)" \
  "rule canary, always: version 1\.0\.0 weight 90 \(1 node\), version 3\.0\.0 weight 10 \(0 nodes\)"

"${client[@]}" --call=hello --repeat=50 --nodes --selector=roundrobin >"$TEST_TMPDIR/calls.out" 2>&1
expect 0 $? "exit code of calls past a node that refuses"
expect_lines "$TEST_TMPDIR/calls.out" "--nodes" \
  "sent=50 ok=50 failed=0" \
  "service helloworld: strategy roundrobin, 2 nodes, .*" \
  "node helloworld-1 .* calls=50 latency=$number usable" \
  "node helloworld-2 .* (ejected $number ago.*|on trial.*): .+"

"${client[@]}" --call=nodes --service=nobody >"$TEST_TMPDIR/nobody.out" 2>&1
expect 1 $? "exit code for a service that is not there"
expect_in "nobody" "$TEST_TMPDIR/nobody.out" "the error"

# Asked of another process, which has called nobody.
"${client[@]}" --call=nodes --of=helloworld >"$TEST_TMPDIR/of.out" 2>&1
expect 1 $? "exit code of --of"
expect_in "service helloworld: no call has asked for it" "$TEST_TMPDIR/of.out" "--of"

finish
