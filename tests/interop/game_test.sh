#!/usr/bin/env bash
# The game in processes of its own, with Consul and Redis: players check our gates and nodes over each network, and two of each.
source examples/test_programs.sh

server_address() { sed -n "s/^ready $1 \([^ ]*\).*/\1/p" "$TEST_TMPDIR/$1.log"; }
address() { sed -n 's/^ready .*addr=\([^ ]*\) .*/\1/p' "$TEST_TMPDIR/$1.log"; }

for server in consul redis; do
  start "$server" tests/services/serve "$server"
  await "$TEST_TMPDIR/$server.log" "ready $server" || finish
done
cluster=(--registry=consul --registry_address="$(server_address consul)" --locator=redis --locator_address="$(server_address redis)"
  --shutdown_max_wait_time=1s)

# member NAME PROGRAM FLAGS…: a gate or node with this id.
members=()
member() {
  local name=$1 program=$2
  shift 2
  start "$name" "tests/interop/$program" --id="$name" "${cluster[@]}" "$@"
  members+=("$name:$pid")
  await "$TEST_TMPDIR/$name.log" "ready kind=$program id=$name addr=127.0.0.1:" || finish
}

# play NETWORK FLAGS…: the player's checks, once all have found each other. Few packets: the sanitizers run this, too.
play() {
  local flags=(--check=game --network="$1" --address="$(address "$1")" --packets=200 --connections=10 "${@:2}")
  tests/interop/player "${flags[@]}" --only=ready && tests/interop/player "${flags[@]}"
}

# check NAME EXIT_CODE: the checks of a player all passed.
check() {
  expect 0 "$2" "exit code of the player, $1: $(cat "$TEST_TMPDIR/$1.checks")"
  expect_in "PASS late end of an old login" "$TEST_TMPDIR/$1.checks" "$1"
}

for network in tcp ws kcp; do member "$network" gate --network="$network" --listen=127.0.0.1:0; done
member other-tcp gate --network=tcp --listen=127.0.0.1:0
member node node
players=()
for network in tcp ws kcp; do
  play "$network" >"$TEST_TMPDIR/$network.checks" 2>&1 &
  players+=("$!")
done
for network in tcp ws kcp; do
  wait "${players[0]}"
  check "$network" $?
  players=("${players[@]:1}")
done

member other-node node
play tcp --nodes=2 --other_address="$(address other-tcp)" >"$TEST_TMPDIR/two.checks" 2>&1
check two $?
expect_in "PASS duplicate login elsewhere" "$TEST_TMPDIR/two.checks" "two gates"
expect_in "PASS forward to a node" "$TEST_TMPDIR/two.checks" "two nodes"

# That all these passed means something.
expect "FAIL duplicate login elsewhere: --other_address is of the same gate, tcp" \
  "$(tests/interop/player --check=game --address="$(address tcp)" --other_address="$(address tcp)" --only="duplicate login elsewhere" 2>&1)" \
  "one gate instead of two"

kill -TERM "${members[@]#*:}"
for member in "${members[@]}"; do
  wait "${member#*:}"
  expect 0 $? "exit code after SIGTERM: $(tail -n 50 "$TEST_TMPDIR/${member%:*}.log")"
done

finish
