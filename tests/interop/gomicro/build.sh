#!/usr/bin/env bash
# Builds the Go programs of this folder for go-micro v5 and v4 into FOLDER/v5/bin and FOLDER/v4/bin, and prints FOLDER, which is
# $XDG_CACHE_HOME/micro-cpp/gomicro (~/.cache/micro-cpp/gomicro). Generated code stays there too, and a second run takes a second.
# v5/ holds the sources; those of v4 are the same with the import path replaced, and v4's own files in place of v5's.
#
#   build.sh                     needs protoc and Go
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder="${XDG_CACHE_HOME:-$HOME/.cache}/micro-cpp/gomicro"
package=interop/helloworld

go=$("$here/../find_go.sh")

for version in v5 v4; do
  programs=(./service ./client)
  if [[ "$version" == v5 ]]; then programs+=(./bench ./discovery ./selector); fi
  work=$folder/$version
  mkdir -p "$work/bin"
  rm -rf "$work/src"
  cp -R "$here/v5" "$work/src"
  if [[ "$version" != v5 ]]; then
    find "$work/src" -name '*.go' -exec sed -i "s#go-micro\.dev/v5#go-micro.dev/$version#" {} +
    cp -R "$here/$version/." "$work/src"
  fi
  cd "$work/src"
  "$go" mod download || {
    echo "build.sh: could not download the modules of tests/interop/gomicro/$version/go.mod: modules come from \`go env GOPROXY\`" >&2
    exit 1
  }
  "$go" build -o "$work/bin/" tool
  mkdir helloworld
  protoc -I "$here/.." --plugin="$work/bin/protoc-gen-go" --plugin="$work/bin/protoc-gen-micro" greeter.proto \
    "--go_out=Mgreeter.proto=$package,module=interop:." \
    "--micro_out=Mgreeter.proto=$package,paths=source_relative:helloworld"
  "$go" build -o "$work/bin/" "${programs[@]}"
done
echo "$folder"
