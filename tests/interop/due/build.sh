#!/usr/bin/env bash
# Builds the Go programs of this folder into $XDG_CACHE_HOME/micro-cpp/due (~/.cache/micro-cpp/due), and prints that.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder="${XDG_CACHE_HOME:-$HOME/.cache}/micro-cpp/due"
go=$("$here/../find_go.sh")
mkdir -p "$folder"
"$go" build -C "$here" -o "$folder/" ./echo ./player ./gate ./node || {
  echo "build.sh: could not build tests/interop/due; its modules come from \`go env GOPROXY\`" >&2
  exit 1
}
echo "$folder"
