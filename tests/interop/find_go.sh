#!/usr/bin/env bash
# Prints the path of a Go that builds the modules here: one from 1.21 on, which fetches the release that a module asks for. Without
# one it says how to get it; exit code 1.
set -uo pipefail
go=$(command -v go || ls /usr/local/go/bin/go /usr/lib/go-1.*/bin/go 2>/dev/null | sort -V | tail -n 1)
has=$("${go:-false}" env GOVERSION 2>/dev/null)
if [[ -z "$has" ]] || ! printf '%s\n' go1.21 "$has" | sort -VC; then
  echo "needs Go 1.24, or one from 1.21 on, which fetches it; there is ${has:-none}. On Debian 12 with bookworm-backports among apt's" \
    "sources: apt-get install -t bookworm-backports golang-go" >&2
  exit 1
fi
echo "$go"
