#!/usr/bin/env bash
# Each benchmark for a moment: that it runs, and prints all of its figures.
source examples/test_programs.sh

# figures WANTED PROGRAM ARGS…
figures() {
  local wanted=$1
  shift
  "$@" >"$TEST_TMPDIR/out" 2>"$TEST_TMPDIR/err"
  expect 0 $? "exit code of $1"
  expect "$wanted" "$(grep -cE '^figure [A-Za-z0-9_.:/-]+ [0-9]+\.[0-9]+ [A-Za-z/]+$' "$TEST_TMPDIR/out")" "figures of $1"
}

quick="--benchmark_min_time=0.001 --benchmark_repetitions=1 --benchmark_report_aggregates_only=false"
figures 18 tests/bench/selector_bench --go= $quick  # strategies × numbers of nodes × threads
figures 32 tests/bench/balance_sim --calls=2000  # mixes × strategies × percentiles
figures 24 tests/bench/codec_bench $quick     # codecs × directions × sizes × (ours, protobuf's, ratio)
figures 60 tests/bench/rpc_overhead --rounds=1 --seconds=0.3
figures 18 tests/bench/http_rpc_client_cost --rounds=1 --seconds=0.1
figures 6 tests/bench/http_rpc_cost --rounds=1 --seconds=0.1
figures 36 tests/bench/rpc_wire_bench --rounds=1 --seconds=0.1 --go=
figures 12 tests/bench/policy_bench --seconds=1 --rate=50
figures 81 tests/bench/gate_bench --only=edge --rounds=1 --seconds=0.1 --idle=50 --broadcast=50 --go=
figures 40 tests/bench/gate_bench --only=cluster --rounds=1 --seconds=0.1 --go=
figures 18 tests/bench/link_cost --seconds=0.1
figures 5 tests/bench/gate_soak --connections=50 --seconds=2
figures 14 tests/bench/discovery_bench --rounds=1 --go=

finish
