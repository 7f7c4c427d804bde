#!/usr/bin/env bash
# Puts Debian 11's Consul 1.8.7 into the cache folder, for tests alone: Debian 12 has none. Its apt keeps lists, cache and
# sources of its own, made from this machine's sources with the suite replaced, so that nothing of this machine changes.
#
#   install_consul.sh            installs it if it is not there
#
# The folder is $XDG_CACHE_HOME/micro-cpp (~/.cache/micro-cpp) /consul-1.8.7; tests/services/ looks there.
set -euo pipefail

folder="${XDG_CACHE_HOME:-$HOME/.cache}/micro-cpp/consul-1.8.7"
[[ -x "$folder/usr/bin/consul" ]] && exit 0

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/parts"
chmod -R a+rX "$work"

# The first Debian mirror that this machine uses, in either form of sources.
mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
  sed -nE 's/^(URIs:|deb)[[:space:]]+(\[[^]]*\][[:space:]]+)?([a-z+]+:[^[:space:]]*)(([[:space:]]+(bookworm|stable))?([[:space:]].*)?)?$/\3/p' |
  grep -E '/debian/?$' | head -n 1 || true)
[[ -n "$mirror" ]] || { echo "install_consul: found no Debian mirror in /etc/apt/sources.list*" >&2; exit 1; }
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bullseye main" >"$work/sources.list"

options=(-o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o "Dir::Etc::sourcelist=$work/sources.list"
  -o "Dir::Etc::sourceparts=$work/parts" -o APT::Get::List-Cleanup=0 -o APT::Sandbox::User=root -o Acquire::Languages=none)
echo "install_consul: taking consul 1.8.7 from Debian 11" >&2
apt-get -qq "${options[@]}" update >&2
(cd "$work" && apt-get -qq "${options[@]}" download consul >&2)
dpkg -x "$work"/consul_*.deb "$work/unpacked"
"$work/unpacked/usr/bin/consul" version >/dev/null
mkdir -p "$(dirname "$folder")"
rm -rf "$folder.new"
mv "$work/unpacked" "$folder.new"
mv -T "$folder.new" "$folder" 2>/dev/null || [[ -x "$folder/usr/bin/consul" ]]
