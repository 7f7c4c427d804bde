# Players against gates against nodes, over each network, with Consul and Redis: a player checks what the contract's routes do. The sides of
# Go are due's own gate and node (../due); with DUE_SOURCE=DIR, a working copy of due's repository at v2.5.8, its networks, registry and
# locator are, too; over KCP these now and then lose a packet, see the README.

build //tests/services:serve //tests/interop:gate //tests/interop:node //tests/interop:player
if [[ -z "${DUE_SOURCE:-}" ]]; then
  build_go tests/interop/due ./player ./gate ./node
elif go_folder=$(tests/interop/due/build.sh --source="$DUE_SOURCE" 2>"$work/go.log"); then
  ln -s "$go_folder"/{player,gate,node} "$work/"
else
  fail "go" "$(tail -n 5 "$work/go.log")"
  finish
fi
# By side. due's own wait for players who stay, and have defects that the checks make allowance for.
declare -A gate_of=([go]="$work/gate --drain=1s")
declare -A node_of=([go]="$work/node --drain=1s")
declare -A player_of=([go]="$work/player")
declare -A as_gate=([go]=--due_gate [cpp]=) as_node=([go]=--due_node [cpp]=)
cpp=(--registry=consul --locator=redis --shutdown_max_wait_time=1s --server_address=127.0.0.1:0)
gate_of[cpp]="$binaries/tests/interop/gate ${cpp[*]}"
node_of[cpp]="$binaries/tests/interop/node ${cpp[*]}"
export DUE_ETC=$work # where due looks for configuration
networks=(tcp ws kcp)

# member NAME COMMAND…: one process of the topology, whose log is $work/NAME.log.
member() {
  local name=$1
  shift
  launch "$work/$name.log" "$@" || {
    fail "$label: $name is ready" "$(tail -n 3 "$work/$name.log")"
    return 1
  }
  members+=("$pid")
}

# begin GATE NODE FLAGS…: Consul, which so knows of nobody else, $nodes nodes and $gates gates for each network, with $member_flags as well and a
# prefix in Redis that nobody else has. They start together, as Consul takes up to 10 s to find each alive.
begin() {
  local gate=$1 node=$2 network i
  shift 2
  member consul "$binaries/tests/services/serve" consul || return
  consul=$pid members=()
  cluster=(--registry_address="$(server_address consul)" --locator_address="$(server_address redis)" --locator_prefix="$label")
  # shellcheck disable=SC2086
  for ((i = 1; i <= nodes; i++)); do
    member "node$i" ${node_of[$node]} --id="node$i" --link=127.0.0.1:0 "${cluster[@]}" "${member_flags[@]}" "$@" || return
  done
  for network in "${networks[@]}"; do
    for ((i = 1; i <= gates; i++)); do
      # shellcheck disable=SC2086
      member "$network$i" ${gate_of[$gate]} --id="$network$i" --network="$network" --listen=127.0.0.1:0 --link=127.0.0.1:0 \
        "${cluster[@]}" "${member_flags[@]}" "$@" || return
    done
  done
}

# server_address NAME: of a server of //tests/services:serve.
server_address() { sed -n "s/^ready $1 \([^ ]*\).*/\1/p" "$work/$1.log"; }

# play NETWORK FLAGS…: a player of side $player, once one has seen that the gates have found the nodes, and these them.
play() {
  local network=$1 there output
  shift
  there=(--check=game --network="$network" --address="$(ready_word "$work/${network}1.log" addr)" --nodes="$nodes" "$@")
  if ((gates > 1)); then there+=(--other_address="$(ready_word "$work/${network}2.log" addr)"); fi
  # KCP as it is untuned waits for most packets.
  if [[ "$network" == kcp ]]; then there+=(--packets=100 --connections=10); fi
  if ! output=$(timeout 60 "$work/player" "${there[@]}" --only=ready); then
    echo "$output"
    return 1
  fi
  # shellcheck disable=SC2086
  timeout 60 ${player_of[$player]} "${there[@]}" ${as_gate[$gate]} ${as_node[$node]}
}

# topology LABEL PLAYER GATE NODE FLAGS…: a player for each network at once, with $nodes nodes and $gates gates.
topology() {
  local label="$1, $2->$3->$4" player=$2 gate=$3 node=$4 network i cluster consul= members=() players=() code
  shift 4
  if begin "$gate" "$node" "$@"; then
    for network in "${networks[@]}"; do
      play "$network" "$@" >"$work/player-$network.out" 2>"$work/player-$network.log" &
      players+=($!)
    done
    for i in "${!networks[@]}"; do
      wait "${players[i]}"
      report "$label, ${networks[i]}" $? "$work/player-${networks[i]}.out" "$work/player-${networks[i]}.log"
    done
    $also
  fi
  # All at once, as due's take three seconds each.
  for i in "${members[@]}"; do kill -TERM "$i"; done
  for i in "${members[@]}"; do
    wait "$i"
    code=$?
    ((code == 0)) || fail "$label: SIGTERM" "exit code $code"
  done
  [[ -z "$consul" ]] || end_by_sigterm "$consul"
}

launch "$work/redis.log" "$binaries/tests/services/serve" redis || {
  fail "redis" "$(tail -n 3 "$work/redis.log")"
  finish
}
redis=$pid

# notices_one_gate: that all these checks passed means something.
notices_one_gate() {
  local here output
  here=$(ready_word "$work/tcp1.log" addr)
  # shellcheck disable=SC2086
  output=$(timeout 60 ${player_of[$player]} --check=game --only="duplicate login elsewhere" --address="$here" --other_address="$here" 2>&1)
  if [[ "$output" == *"FAIL duplicate login elsewhere: "* ]]; then
    pass "$label: a gate that is no other is noticed"
  else
    fail "$label: a gate that is no other is noticed" "$output"
  fi
}

nodes=1 gates=1 member_flags=() also=notices_one_gate
topology "one node" go go go
nodes=2 gates=2 member_flags=(--dispatch=rr) also=
topology "two nodes, two gates" go go go
topology "4 bytes each, little endian" go go go --route_bytes=4 --seq_bytes=4 --byte_order=little --heartbeat_time

end_by_sigterm "$redis"
