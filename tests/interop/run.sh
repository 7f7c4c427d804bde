#!/usr/bin/env bash
# Puts programs against each other, each in a process of its own, as they would be in a company that has both. Prints
# `PASS name` or `FAIL name: why` a line each and for each suite `SUITE: N passed, N failed`; exit code 1 when a check failed.
# Runs from any directory.
#
#   tests/interop/run.sh [SUITE…]       contract, due, gomicro, grpc; all of them without an argument
#   tests/interop/run.sh due --source=DIR     with due's own networks, registry and locator: DIR is a working copy of its repository at v2.5.8
set -uo pipefail
if [[ "${2:-}" == --source=* ]]; then
  DUE_SOURCE=$(realpath "${2#--source=}")
  export DUE_SOURCE
  set -- "$1"
fi
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

here=tests/interop/suites
if (($# == 1)); then
  suite=$1
  if [[ ! -f "$here/$suite.sh" || "$suite" == common ]]; then
    echo "run.sh: there is no suite \"$suite\"" >&2
    exit 2
  fi
  source "$here/common.sh"
  source "$here/$suite.sh"
  finish
fi

(($#)) || for script in "$here"/*.sh; do
  name=$(basename "$script" .sh)
  [[ "$name" == common ]] || set -- "$@" "$name"
done
# Each in a process of its own; a signal ends the one that runs, and with it this.
result=0
for name in "$@"; do
  tests/interop/run.sh "$name" &
  child=$!
  trap 'kill -TERM "$child" 2>/dev/null; wait "$child"; exit 143' TERM INT
  wait "$child" || result=1
done
exit $result
