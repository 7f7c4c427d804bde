#!/usr/bin/env bash
# What the README shows.
source examples/test_programs.sh

start gate examples/echo-gate/echo-gate --listen=127.0.0.1:0 --registry=memory --server_address=127.0.0.1:0
gate_pid=$pid
await "$TEST_TMPDIR/gate.log" "listening over tcp, port "
port=$(sed -n 's/^listening over tcp, port \([0-9]*\)$/\1/p' "$TEST_TMPDIR/gate.log")
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf '\0\0\0\12\0\0\1\0\1hello' >&3
expect "0000000a000001000168656c6c6f" "$(head -c 14 <&3 | od -An -tx1 | tr -d ' \n')" "the answer"
exec 3>&-
kill -TERM "$gate_pid"
wait "$gate_pid"
expect 0 $? "exit code after SIGTERM"

start ws examples/echo-gate/echo-gate --network=ws --listen=127.0.0.1:0 --registry=memory --server_address=127.0.0.1:0
await "$TEST_TMPDIR/ws.log" "listening over ws, port "
port=$(sed -n 's/^listening over ws, port \([0-9]*\)$/\1/p' "$TEST_TMPDIR/ws.log")
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' >&3
printf 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n' >&3
printf '\202\216\0\0\0\0\0\0\0\12\0\0\1\0\1hello' >&3
expect "HTTP/1.1 101 Switching Protocols" "$(head -1 <&3 | tr -d '\r')" "the handshake"
exec 3>&-

examples/echo-gate/echo-gate --network=pigeon --registry=memory >"$TEST_TMPDIR/bad.log" 2>&1
expect 1 $? "exit code with --network=pigeon"
expect_in 'there are: tcp, ws, kcp (flag --network)' "$TEST_TMPDIR/bad.log" "--network=pigeon"

finish
