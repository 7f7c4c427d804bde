#!/usr/bin/env bash
# The program of the front page, as a newcomer runs it: one process serves, others ask.
source examples/test_programs.sh
weather=examples/weather/weather

start server $weather
server_pid=$pid
await "$TEST_TMPDIR/server.log" "registered"
expect "Rain in Lisbon" "$($weather --ask=Lisbon 2>"$TEST_TMPDIR/ask.err")" "--ask=Lisbon"

kill -TERM "$server_pid"
wait "$server_pid"
expect 0 $? "exit code after SIGTERM"
$weather --ask=Lisbon >"$TEST_TMPDIR/gone.out" 2>&1
expect 1 $? "exit code without a server"
expect_in 'detail="service weather: not found"' "$TEST_TMPDIR/gone.out" "no server"

finish
