# Our echo and player of the game's packets against those of ../due, which read and write with due v2.5.8: over each network, with each
# kind of packet options, in both directions. due v2.0 cannot be had as a Go module: its dialect is ours against ours.

build //tests/interop:echo //tests/interop:player
build_go tests/interop/due ./echo ./player
make_certificates localhost
declare -A echo_of=([cpp]=$binaries/tests/interop/echo [go]=$work/echo)
declare -A player_of=([cpp]="$binaries/tests/interop/player" [go]=$work/player)
export DUE_ETC=$work # where due looks for configuration

# serve LABEL SIDE FLAGS…: an echo of that side, cpp or go, on a free port. $address is where, $pid its id.
serve() {
  local label=$1 side=$2
  shift 2
  launch "$work/echo.log" "${echo_of[$side]}" --listen=127.0.0.1:0 "$@" || {
    fail "$label: ready" "$(tail -n 3 "$work/echo.log")"
    return 1
  }
  address=$(ready_word "$work/echo.log" addr)
}

# check LABEL SIDE FLAGS…: each check of a player of that side.
check() {
  local label=$1 side=$2
  shift 2
  timeout 60 "${player_of[$side]}" --address="$address" --check=echo "$@" >"$work/player.out" 2>"$work/player.log"
  report "$label" $? "$work/player.out" "$work/player.log"
}

# meet LABEL PLAYER ECHO FLAGS…: with the same flags, but for those in $player_flags and $echo_flags.
meet() {
  local label="$1, $2->$3" player=$2 echo=$3
  shift 3
  serve "$label" "$echo" "$@" "${echo_flags[@]}" || return
  check "$label" "$player" "$@" "${player_flags[@]}"
  end_by_sigterm "$pid" || fail "$label: SIGTERM" "exit code $?, $(tail -n 3 "$work/echo.log")"
}

# both LABEL FLAGS…
both() {
  meet "$1" go cpp "${@:2}"
  meet "$1" cpp go "${@:2}"
}

packet_options=(
  "--route_bytes=1 --seq_bytes=0"
  "--route_bytes=1 --seq_bytes=1 --byte_order=little"
  "--route_bytes=2 --seq_bytes=1"
  "--route_bytes=2 --seq_bytes=4 --byte_order=little"
  "--route_bytes=4 --seq_bytes=0 --heartbeat_time"
  "--route_bytes=4 --seq_bytes=4 --buffer_bytes=60000"
  "--byte_order=little --heartbeat_time"
)

for network in tcp ws kcp; do
  echo_flags=()
  # KCP as it is untuned waits for most packets.
  few=()
  if [[ "$network" == kcp ]]; then few=(--packets=100 --connections=10); fi
  # Packets as they are, and what our server does with hostile ones.
  player_flags=(--cap=65536 "${few[@]}")
  meet "$network" go cpp --network="$network"
  player_flags=("${few[@]}")
  meet "$network" cpp go --network="$network"
  # A shift, as an answer that is the question's own bytes would not tell how they were read.
  for options in "${packet_options[@]}"; do
    # shellcheck disable=SC2086
    both "$network $options" --network="$network" --shift=1 $options
  done
  for options in "" "--route_bytes=4 --seq_bytes=1" "--route_bytes=1 --seq_bytes=0 --heartbeat_time"; do
    # shellcheck disable=SC2086
    meet "$network v2.0 $options" cpp cpp --network="$network" --dialect=v2.0 --shift=1 $options
  done
  player_flags=(--only="heartbeats keep a connection")
  both "$network" --network="$network" --heartbeat=500ms
  player_flags=(--only="a silent connection ends")
  meet "$network" go cpp --network="$network" --heartbeat=500ms
  if [[ "$network" == kcp ]]; then continue; fi
  echo_flags=(--tls_cert="$work/server.pem" --tls_key="$work/server.key")
  player_flags=(--tls_ca="$work/ca.pem" --tls_server_name=localhost)
  both "$network over TLS" --network="$network"
done

# KCP tuned, with and without the error correction that due's client sends, on a good line and on a rough one.
tuned=(--network=kcp --kcp_no_delay=1,10,2,1 --kcp_window=256,256)
echo_flags=() player_flags=()
both "kcp tuned" "${tuned[@]}"
both "kcp tuned otherwise" --network=kcp --kcp_no_delay=1,10,2,1 --kcp_ack_no_delay --kcp_write_delay --kcp_mtu=600
for fec in 10/3 0/0; do
  player_flags=(--fec="$fec" --rough=8)
  meet "kcp tuned, rough, error correction $fec" go cpp "${tuned[@]}"
done
player_flags=(--fec=0/0)
meet "kcp tuned without error correction" go cpp "${tuned[@]}"
player_flags=() echo_flags=(--rough=8)
meet "kcp tuned, rough" cpp go "${tuned[@]}"
player_flags=(--fec=0/0 --packets=100 --connections=10) echo_flags=()
meet "kcp without error correction" go cpp --network=kcp

# That all these checks passed means something: a side that reads packets otherwise is noticed.
for player in go cpp; do
  serve "other options" cpp --shift=1 || continue
  output=$("${player_of[$player]}" --address="$address" --check=echo --only=sizes --shift=1 --route_bytes=1 --seq_bytes=4 2>/dev/null)
  if [[ "$output" == "FAIL sizes: got route 1 seq 16777472 "* ]]; then
    pass "other options, $player->cpp: are noticed"
  else
    fail "other options, $player->cpp: are noticed" "$output"
  fi
  end_by_sigterm "$pid"
done
