#!/usr/bin/env bash
# Runs the generator over testdata/ and compares what it writes, and what it says of bad files, with the goldens there.
#   bazel test //cmd/protoc-gen-micro-cpp:golden_test
#   bazel run  //cmd/protoc-gen-micro-cpp:update_goldens     # after a change that is meant
set -euo pipefail
plugin=$(realpath "$1")
data=cmd/protoc-gen-micro-cpp/testdata
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
update=${2:-}
if [[ "$update" ]]; then cd "$BUILD_WORKSPACE_DIRECTORY"; fi

generate() {  # generate OUT FLAGS… FILES…
  local to=$1
  shift
  protoc -I. -Ibazel/googleapis --plugin=protoc-gen-micro-cpp="$plugin" --micro-cpp_out="$to" "$@"
}

failed=0
check() {  # check GOLDEN ACTUAL
  if [[ "$update" ]]; then
    cp "$2" "$1"
  elif ! diff -u "$1" "$2"; then
    failed=1
  fi
}

for proto in "$data"/*.proto "$data"/shop/v1/*.proto; do
  generate "$out" "$proto"
  for kind in h cc; do check "${proto%.proto}.micro.$kind.golden" "$out/${proto%.proto}.micro.$kind"; done
done

for proto in "$data"/bad/*.proto; do
  if generate "$out" "$proto" 2>"$out/error"; then
    echo "$proto: the generator took it, but should not" >&2
    failed=1
  fi
  check "${proto%.proto}.error.golden" "$out/error"
done

if generate "$out" --micro-cpp_opt=paths=source_relative "$data/kinds.proto" 2>"$out/error"; then
  echo "an unknown parameter was taken" >&2
  failed=1
fi
check "$data/bad/unknown_parameter.error.golden" "$out/error"

generate "$out" --micro-cpp_opt=include_prefix=gen "$data/kinds.proto"
grep -qx "#include \"gen/$data/kinds.pb.h\"" "$out/$data/kinds.micro.h" &&
  grep -qx "#include \"gen/$data/kinds.micro.h\"" "$out/$data/kinds.micro.cc" ||
  { echo "include_prefix did not reach the includes" >&2; failed=1; }

exit "$failed"
