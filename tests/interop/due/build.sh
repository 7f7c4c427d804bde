#!/usr/bin/env bash
# Builds the Go programs of this folder into $XDG_CACHE_HOME/micro-cpp/due (~/.cache/micro-cpp/due), and prints that.
#
#   build.sh --source=DIR     those whose networks, registry and locator are due's own modules, which no proxy has: DIR is a working copy of
#                             due's repository at v2.5.8. Into due-source beside the other folder.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder="${XDG_CACHE_HOME:-$HOME/.cache}/micro-cpp/due"
options=()
case "${1:-}" in
  "") ;;
  --source=*)
    source=$(cd "${1#--source=}" && pwd)
    folder+=-source
    modules=$(mktemp -d)
    trap 'rm -rf "$modules"' EXIT
    cp "$here/go.mod" "$here/go.sum" "$modules/"
    options=(-tags source -mod=mod -modfile="$modules/go.mod")
    ;;
  *)
    echo "usage: build.sh [--source=DIR]" >&2
    exit 2
    ;;
esac
go=$("$here/../find_go.sh")
mkdir -p "$folder"
if ((${#options[@]})); then
  "$go" mod edit -replace="github.com/dobyte/due/v2=$source" "$modules/go.mod"
  for part in network/tcp network/ws network/kcp registry/consul locate/redis; do
    module=github.com/dobyte/due/$part/v2
    "$go" mod edit -require="$module@v2.5.8" -replace="$module=$source/$part" "$modules/go.mod"
  done
fi
"$go" build -C "$here" "${options[@]}" -o "$folder/" ./echo ./player ./gate ./node || {
  echo "build.sh: could not build tests/interop/due; its modules come from \`go env GOPROXY\`" >&2
  exit 1
}
echo "$folder"
