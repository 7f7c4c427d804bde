#!/usr/bin/env bash
# A gRPC tool in another language looks at a service that it knows nothing of.
source examples/test_programs.sh

start service tests/interop/service --registry=memory --server_address=127.0.0.1:0 --server_grace=1h
service_pid=$pid
await "$TEST_TMPDIR/service.log" "ready name=helloworld"
address=$(sed -n 's/^ready .* addr=\([^ ]*\) .*/\1/p' "$TEST_TMPDIR/service.log")

/usr/bin/python3 tests/integration/introspection_test.py "$address" "$service_pid" tests/integration/introspection.descriptors
expect 0 $? "exit code of introspection_test.py"
wait "$service_pid"
expect 0 $? "exit code of the service"

finish
