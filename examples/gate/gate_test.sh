#!/usr/bin/env bash
# What the README shows.
source examples/test_programs.sh

gate=examples/gate/gate
"$gate" --server_address=127.0.0.1:0 >"$TEST_TMPDIR/all.log" 2>"$TEST_TMPDIR/all.err"
expect 0 $? "exit code of all in one process"
expect "tcp: Hello John, said node node-1
ws: Hello John, said node node-1
kcp: Hello John, said node node-1" "$(cat "$TEST_TMPDIR/all.log")" "the greetings"

# Each in a process of its own, over Consul and Redis.
start consul tests/services/serve consul
start redis tests/services/serve redis
await "$TEST_TMPDIR/consul.log" "ready consul "
await "$TEST_TMPDIR/redis.log" "ready redis "
shared=(--registry=consul --registry_address="$(cut -d ' ' -f 3 "$TEST_TMPDIR/consul.log")"
  --locator=redis --locator_address="$(cut -d ' ' -f 3 "$TEST_TMPDIR/redis.log")" --server_address=127.0.0.1:0
  --link=127.0.0.1:0)
start node "$gate" --role=node --id=node-7 "${shared[@]}"
node_pid=$pid
await "$TEST_TMPDIR/node.log" "node started id=node-7"
start gate "$gate" --role=gate --network=ws --listen=127.0.0.1:0 "${shared[@]}"
gate_pid=$pid
await "$TEST_TMPDIR/gate.log" "gate started"
port=$(sed -n 's/.*gate started.* port=\([0-9]*\) .*/\1/p' "$TEST_TMPDIR/gate.log")
greeting=$("$gate" --role=client --network=ws --address="127.0.0.1:$port" --player=Mary 2>"$TEST_TMPDIR/client.err")
expect 0 $? "exit code of the player"
expect "ws: Hello Mary, said node node-7" "$greeting" "the greeting"
for pid in "$gate_pid" "$node_pid"; do
  kill -TERM "$pid"
  wait "$pid"
  expect 0 $? "exit code after SIGTERM"
done

"$gate" --role=king >"$TEST_TMPDIR/bad.log" 2>&1
expect 1 $? "exit code with --role=king"
expect_in "not --role=king" "$TEST_TMPDIR/bad.log" "--role=king"
"$gate" --locator=zonk >"$TEST_TMPDIR/bad.log" 2>&1
expect 1 $? "exit code with --locator=zonk"
expect_in 'locator "zonk" is not linked; linked: memory, redis' "$TEST_TMPDIR/bad.log" "--locator=zonk"

finish
