#!/usr/bin/env bash
# The echo of the game's packets, as a client of bytes meets it.
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

tests/interop/echo --route_bytes=3 >"$TEST_TMPDIR/bad.out" 2>&1
expect 1 $? "exit code with --route_bytes=3"
expect_in "echo: route_bytes is 3, not 1, 2 or 4" "$TEST_TMPDIR/bad.out" "--route_bytes=3"
tests/interop/echo --dialect=v1 >"$TEST_TMPDIR/dialect.out" 2>&1
expect_in 'dialect is "v1", not v2.1 or v2.0' "$TEST_TMPDIR/dialect.out" "--dialect=v1"

finish
