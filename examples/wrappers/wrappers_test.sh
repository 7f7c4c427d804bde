#!/usr/bin/env bash
# The two programs of this folder, as a newcomer runs them.
source examples/test_programs.sh
server=examples/wrappers/wrappers
client=examples/wrappers/client
refusal='error id="wrappers" code=401 detail="a valid token is needed" status="Unauthorized"'

# With itself: refused, then let in; both calls are logged.
expect "without the token: $refusal
with the token: 42" "$($server --once --registry=memory 2>"$TEST_TMPDIR/once.err")" "--once"
expect 2 "$(grep -c "handled endpoint=Vault.Open took=" "$TEST_TMPDIR/once.err")" "logged calls"

# Two processes.
start server $server --token=mellon
await "$TEST_TMPDIR/server.log" "with the token: 42"
expect 42 "$($client --token=mellon 2>"$TEST_TMPDIR/mellon.err")" "the client with the token"
expect_in "called endpoint=Vault.Open took=" "$TEST_TMPDIR/mellon.err" "the client's log"
expect 42 "$(VAULT_TOKEN=mellon $client 2>/dev/null)" "the client with the token in its environment"
for wrong in --token= --token=sesame; do
  $client $wrong >"$TEST_TMPDIR/wrong.out" 2>&1
  expect 1 $? "the client's exit code with $wrong"
  expect_in "$refusal" "$TEST_TMPDIR/wrong.out" "the client with $wrong"
done

finish
