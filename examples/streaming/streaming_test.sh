#!/usr/bin/env bash
# The two programs of this folder, as a newcomer runs them.
source examples/test_programs.sh
server=examples/streaming/streaming
client=examples/streaming/client

talk="count: 1
count: 2
count: 3
count: the end
endless count: 1
endless count: 2
endless count: enough
chat: hello -> You said hello
chat: goodbye -> You said goodbye
chat: the end"

# With itself.
expect "$talk" "$($server --once --registry=memory 2>"$TEST_TMPDIR/once.err")" "--once"
expect_in "the caller has left" "$TEST_TMPDIR/once.err" "the endless count"

# Two processes.
start server $server
await "$TEST_TMPDIR/server.log" "chat: the end"
expect "count: 1
count: 2
count: the end
chat: Ada -> You said Ada
chat: the end" "$($client --to=2 --say=Ada 2>"$TEST_TMPDIR/client.err")" "the client"

# The service is gone: an error, not a hang.
kill -9 "$pid"
$client >"$TEST_TMPDIR/gone.out" 2>&1
expect 1 $? "the client's exit code without a server"

finish
