#!/usr/bin/env bash
# The two programs of this folder, as a newcomer runs them.
source examples/test_programs.sh
server=examples/helloworld/helloworld
client=examples/helloworld/client

# Alone, with the registry that works between processes and with the one inside a process.
expect "Hello John" "$($server --once 2>"$TEST_TMPDIR/once.err")" "--once"
expect "Hello Eve" "$($server --once --name=Eve --registry=memory --selector=p2c 2>/dev/null)" "memory and p2c"

# A name that is not linked: one line that lists those that are, exit code 1.
$server --registry=nosuch >"$TEST_TMPDIR/nosuch.out" 2>&1
expect 1 $? "exit code with --registry=nosuch"
expect 1 "$(wc -l <"$TEST_TMPDIR/nosuch.out")" "lines with --registry=nosuch"
expect_in 'registry "nosuch" is not linked; linked: consul, etcd, mdns, memory, nats (flag --registry)' "$TEST_TMPDIR/nosuch.out" "nosuch"
MICRO_REGISTER_TTL=soon $server --once >"$TEST_TMPDIR/ttl.out" 2>&1
expect 1 $? "exit code with a bad MICRO_REGISTER_TTL"
expect_in 'MICRO_REGISTER_TTL: "soon" is not a number of seconds' "$TEST_TMPDIR/ttl.out" "a bad MICRO_REGISTER_TTL"
$server --help >"$TEST_TMPDIR/help.out" 2>&1
expect 0 $? "exit code of --help"
expect_in "mdns, memory" "$TEST_TMPDIR/help.out" "--help"
expect_in "p2c, random, roundrobin" "$TEST_TMPDIR/help.out" "--help"

# Two processes, found by mDNS.
start server $server
server_pid=$pid
await "$TEST_TMPDIR/server.log" "Hello John"
expect "Hello Ada" "$($client --name=Ada 2>"$TEST_TMPDIR/ada.err")" "the client"

# Gone without a word: a new client finds nobody.
kill -9 "$server_pid"
$client --name=Ada >"$TEST_TMPDIR/gone.out" 2>&1
expect 1 $? "the client's exit code without a server"
expect_in 'error id="go.micro.client" code=500 detail="service helloworld: not found"' "$TEST_TMPDIR/gone.out" "no server"

# SIGTERM ends it in order, exit code 0, deregistered.
start again $server
again_pid=$pid
await "$TEST_TMPDIR/again.log" "Hello John"
kill -TERM "$again_pid"
wait "$again_pid"
expect 0 $? "exit code after SIGTERM"
expect_in "deregistered" "$TEST_TMPDIR/again.log" "SIGTERM"

# A port in use.
start first $server --server_address=127.0.0.1:18931
await "$TEST_TMPDIR/first.log" "Hello John"
$server --once --server_address=127.0.0.1:18931 >"$TEST_TMPDIR/port.out" 2>&1
expect 1 $? "exit code with a port in use"
expect_in "cannot listen on 127.0.0.1:18931 (flag --server_address): Address already in use" "$TEST_TMPDIR/port.out" "port"

finish
