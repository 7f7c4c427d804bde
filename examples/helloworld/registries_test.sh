#!/usr/bin/env bash
# The same program over every registry that has a server, with both wires: only flags change.
source examples/test_programs.sh

for registry in consul etcd nats; do
  start "$registry" tests/services/serve "$registry"
  serving=$pid
  await "$TEST_TMPDIR/$registry.log" "ready $registry" || continue
  address=$(sed -n "s/^ready $registry \([^ ]*\).*/\1/p" "$TEST_TMPDIR/$registry.log")
  for wire in grpc rpc; do
    expect "Hello John" \
      "$(examples/helloworld/helloworld --once --registry="$registry" --registry_address="$address" \
        --server="$wire" --client="$wire" 2>"$TEST_TMPDIR/$registry.$wire.err")" \
      "$registry, $wire ($(tail -n 1 "$TEST_TMPDIR/$registry.$wire.err"))"
  done
  kill -TERM "$serving"
  wait "$serving"
  expect 0 $? "exit code of the $registry server"
done

finish
