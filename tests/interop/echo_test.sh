#!/usr/bin/env bash
# The echo of the game's packets, as a client of bytes meets it, and the player.
source examples/test_programs.sh

start echo tests/interop/echo --network=tcp --listen=127.0.0.1:0
echo_pid=$pid
await "$TEST_TMPDIR/echo.log" "ready kind=echo addr=127.0.0.1:"
port=$(sed -n 's/^ready .*addr=127\.0\.0\.1:\([0-9]*\) .*/\1/p' "$TEST_TMPDIR/echo.log")
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf '\0\0\0\12\0\0\1\0\1hello\0\0\0\1\200' >&3  # a packet and a heartbeat
expect "0000000a000001000168656c6c6f0000000180" "$(head -c 19 <&3 | od -An -tx1 | tr -d ' \n')" "the answers"
exec 3>&-
kill -TERM "$echo_pid"
wait "$echo_pid"
expect 0 $? "exit code after SIGTERM"
expect_in "accepted=1 refused=0 packets_in=2 packets_out=2" "$TEST_TMPDIR/echo.log" "the counts"

# play NAME ECHO_FLAGS -- PLAYER_FLAGS: the player's checks against an echo of its own. Few packets: the sanitizers run this, too.
play() {
  local name=$1 flags=()
  shift
  while [[ "$1" != -- ]]; do flags+=("$1") && shift; done
  start "$name" tests/interop/echo --listen=127.0.0.1:0 "${flags[@]}"
  local echo_pid=$pid
  await "$TEST_TMPDIR/$name.log" "ready kind=echo addr=" || return
  address=$(sed -n 's/^ready .*addr=\([^ ]*\) .*/\1/p' "$TEST_TMPDIR/$name.log")
  tests/interop/player --address="$address" "${flags[@]}" --check=echo --packets=200 --connections=10 "${@:2}" >"$TEST_TMPDIR/$name.checks" 2>&1
  expect 0 $? "exit code of the player, $name: $(cat "$TEST_TMPDIR/$name.checks")"
  expect_in "PASS connections at once" "$TEST_TMPDIR/$name.checks" "$name"
  kill -TERM "$echo_pid"
  wait "$echo_pid"
}
for network in tcp ws kcp; do
  play "$network" --network=$network -- --cap=65536
  play "$network-other-options" --network=$network --byte_order=little --route_bytes=4 --seq_bytes=1 --heartbeat_time --shift=1 --
  play "$network-v2.0" --network=$network --dialect=v2.0 --shift=1 --
done

# A player that reads packets otherwise notices, and one that says what it wants.
start shifting tests/interop/echo --listen=127.0.0.1:0 --shift=1
await "$TEST_TMPDIR/shifting.log" "ready kind=echo addr="
address=$(sed -n 's/^ready .*addr=\([^ ]*\) .*/\1/p' "$TEST_TMPDIR/shifting.log")
ask() { tests/interop/player --address="$address" "$@" 2>&1; }
expect "FAIL sizes: got route 1 seq 16777472 \"\" (0 bytes), wanted route 2 seq 1 \"\" (0 bytes)" \
  "$(ask --check=echo --only=sizes --shift=1 --route_bytes=1 --seq_bytes=4)" "other bytes of route and seq"
expect $'route=2 seq=8 hello\nroute=-1 seq=1 {"a":1,"b":2}' "$(ask --send='1:7:hello;-2:0:{"a":1,"b":2}')" "answers"
ask --send='1:7:hello' --expect='2:8:hello' >/dev/null
expect 0 $? "exit code after what was expected"
expect $'route=2 seq=8 hello\nplayer: answer 1 is not route=1 seq=7 hello' "$(ask --send='1:7:hello' --expect='1:7:hello')" "after what was not"
expect 'player: --send: "hello" is not ROUTE:SEQ:TEXT' "$(ask --send=hello)" "--send=hello"
expect 'player: check is "gatee", not echo or game (flag --check)' "$(ask --check=gatee)" "--check=gatee"

tests/interop/echo --route_bytes=3 >"$TEST_TMPDIR/bad.out" 2>&1
expect 1 $? "exit code with --route_bytes=3"
expect_in "echo: route_bytes is 3, not 1, 2 or 4" "$TEST_TMPDIR/bad.out" "--route_bytes=3"
tests/interop/echo --dialect=v1 >"$TEST_TMPDIR/dialect.out" 2>&1
expect_in 'dialect is "v1", not v2.1 or v2.0' "$TEST_TMPDIR/dialect.out" "--dialect=v1"

finish
