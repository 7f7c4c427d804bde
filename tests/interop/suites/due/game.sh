# Players against gates against nodes, over each network, with Consul and Redis: a player checks what the contract's routes do. The sides of
# Go are due's own gate and node (../due); with DUE_SOURCE=DIR, a working copy of due's repository at v2.5.8, its networks, registry and
# locator are, too; over KCP these now and then lose a packet, see the README.

build //tests/services:serve //tests/interop:gate //tests/interop:node //tests/interop:player //tests/interop:crowd
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
declare -A player_of=([go]="$work/player" [cpp]="$binaries/tests/interop/player")
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

# begin FLAGS…: Consul, which so knows of nobody else, a node of each side in $nodes and for each network a gate of each side in $gates, with
# $member_flags as well and a prefix in Redis that nobody else has. They start together, as Consul takes up to 10 s to find Go's alive.
begin() {
  local side network i
  members=()
  member consul "$binaries/tests/services/serve" consul || return
  cluster=(--registry_address="$(server_address consul)" --locator_address="$(server_address redis)" --locator_prefix="$label")
  i=0
  for side in $nodes; do
    i=$((i + 1))
    # shellcheck disable=SC2086
    member "node$i" ${node_of[$side]} --id="node$i" --link=127.0.0.1:0 "${cluster[@]}" "${member_flags[@]}" "$@" || return
  done
  for network in "${networks[@]}"; do
    i=0
    for side in $gates; do
      i=$((i + 1))
      # shellcheck disable=SC2086
      member "$network$i" ${gate_of[$side]} --id="$network$i" --network="$network" --listen=127.0.0.1:0 --link=127.0.0.1:0 \
        "${cluster[@]}" "${member_flags[@]}" "$@" || return
    done
  done
}

# server_address NAME: of a server of //tests/services:serve.
server_address() { sed -n "s/^ready $1 \([^ ]*\).*/\1/p" "$work/$1.log"; }

# play NETWORK FLAGS…: a player of side $player, once one has seen that the gates have found the nodes, and these them.
play() {
  local network=$1 there
  shift
  there=(--check=game --network="$network" --address="$(ready_word "$work/${network}1.log" addr)" --nodes="$(wc -w <<<"$nodes")" "$@")
  if [[ "$gates" == *" "* ]]; then there+=(--other_address="$(ready_word "$work/${network}2.log" addr)"); fi
  # KCP as it is untuned waits for most packets.
  if [[ "$network" == kcp ]]; then there+=(--packets=100 --connections=10); fi
  timeout 60 "$work/player" "${there[@]}" --only=ready || return
  if [[ "$gates" == *go* ]]; then there+=(--due_gate); fi
  if [[ "$nodes" == *go* ]]; then there+=(--due_node); fi
  # shellcheck disable=SC2086
  timeout 60 ${player_of[$player]} "${there[@]}"
}

# topology LABEL PLAYER GATES NODES FLAGS…: a player for each network at once. Gates and nodes are words, a side each: "cpp go" are one of
# ours and one of due's.
topology() {
  local label="$1, $2->${3/ /+}->${4/ /+}" player=$2 gates=$3 nodes=$4 network i cluster members players=() code
  shift 4
  if begin "$@"; then
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
  kill -TERM "${members[@]:1}"
  for i in "${members[@]:1}"; do
    wait "$i"
    code=$?
    ((code == 0)) || fail "$label: SIGTERM" "exit code $code"
  done
  end_by_sigterm "${members[0]}"
}

# plays_again WHAT: until a second has passed in which the crowd lost nothing, at most 60 s.
plays_again() {
  local from i last
  from=$(wc -l <"$work/crowd.log")
  for ((i = 0; i < 600; i++)); do
    last=$(tail -n +"$((from + 2))" "$work/crowd.log" | grep "^second=" | tail -n 1)
    if [[ "$last" == *" lost_echo=0 lost_stateful=0 "* && "$last" != *" answered=0 "* ]]; then
      pass "$label: plays on after $1"
      return
    fi
    sleep 0.1
  done
  fail "$label: plays on after $1" "$last"
}

# changes GATES NODE: what 50 players on two gates lose while their node is restarted with its id, and while one gate goes.
changes() {
  local label="changes, crowd->${1/ /+}->$2" gates=$1 nodes=$2 networks=(tcp) member_flags=() cluster members there line crowd code i
  if begin; then
    there="$(ready_word "$work/tcp1.log" addr)"
    timeout 60 "$work/player" --check=game --only=ready --address="$there" --other_address="$(ready_word "$work/tcp2.log" addr)" >/dev/null
    launch "$work/crowd.log" "$binaries/tests/interop/crowd" --players=50 --seconds=120 --every_second \
      --address="$there,$(ready_word "$work/tcp2.log" addr)" || fail "$label: crowd" "$(tail -n 3 "$work/crowd.log")"
    crowd=$pid
    end_by_sigterm "${members[1]}" || fail "$label: SIGTERM to the node" "exit code $?"
    # shellcheck disable=SC2086
    member node1 ${node_of[$nodes]} --id=node1 --link=127.0.0.1:0 "${cluster[@]}"
    plays_again "its node's restart"
    end_by_sigterm "${members[3]}" || fail "$label: SIGTERM to a gate" "exit code $?"
    plays_again "one of its gates went"
    end_by_sigterm "$crowd"
    code=$?
    line=$(grep "^players=" "$work/crowd.log")
    if ((code == 0)) && [[ "$line" == *" wrong=0 "* ]]; then
      pass "$label: nobody gets another's answer ($line)"
    else
      fail "$label: nobody gets another's answer" "exit code $code, $line"
    fi
  fi
  for i in 2 4 0; do end_by_sigterm "${members[i]}"; done
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

member_flags=() also=notices_one_gate
topology "one node" go go go
member_flags=(--dispatch=rr) also=
# Each with two gates and two nodes: the sides by themselves, and both in one game.
for sides in "go/cpp/cpp" "go/cpp/go" "go/go/cpp" "cpp/go/go" "cpp/cpp/cpp" "go/go/go"; do
  IFS=/ read -r player gate node <<<"$sides"
  topology "two of each" "$player" "$gate $gate" "$node $node"
done
topology "both sides" go "cpp go" "go cpp"
topology "both sides" cpp "go cpp" "cpp go"
# Packets otherwise.
for options in "--route_bytes=4 --seq_bytes=4 --byte_order=little --heartbeat_time" "--route_bytes=1 --seq_bytes=1" "--route_bytes=2 --seq_bytes=0"; do
  for sides in "go/cpp/cpp" "go/cpp/go" "go/go/cpp" "cpp/go/go"; do
    IFS=/ read -r player gate node <<<"$sides"
    # shellcheck disable=SC2086
    topology "$options" "$player" "$gate" "$node" $options
  done
done

changes "cpp cpp" cpp
changes "cpp cpp" go
changes "go go" cpp

end_by_sigterm "$redis"
