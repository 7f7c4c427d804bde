# Our programs of the contract against those of ../gomicro, which are go-micro itself: v5 and v4, over gRPC and HTTP RPC, with each
# registry, all calls as protobuf and as JSON, in both directions. The last lines are a table of what passed.

# ---- In the machine's network: everything is built ----

if [[ -z "${GOMICRO_BINARIES:-}" ]]; then
  build //tests/interop:service //tests/interop:client //tests/services:serve //examples/helloworld //examples/helloworld:client
  if ! go_folder=$(tests/interop/gomicro/build.sh 2>"$work/go.log"); then
    fail "gomicro build" "$(tail -n 5 "$work/go.log")"
    finish
  fi
  # The rest in a network namespace where that is allowed, so that mDNS meets nobody else.
  room=()
  for option in --net "--net --map-root-user"; do
    # shellcheck disable=SC2086
    if ((${#room[@]} == 0)) && unshare $option true 2>/dev/null; then room=(unshare $option); fi
  done
  clean_up
  exec env GOMICRO_BINARIES="$binaries" GOMICRO_FOLDER="$go_folder" GOMICRO_ROOM="${room[*]}" "${room[@]}" tests/interop/run.sh gomicro
fi

# ---- In the namespace: servers, and what the parts below share ----

binaries=$GOMICRO_BINARIES
go() { echo "$GOMICRO_FOLDER/$1/bin/$2"; }  # go VERSION PROGRAM
id=gomicro-$$  # begins the name of each service, in case there is no namespace; with an id behind it DNS allows 63 letters

# Go's mDNS goes where the routing table sends multicast.
if [[ -n "$GOMICRO_ROOM" ]] && ! { ip link set lo up && ip route add 224.0.0.0/4 dev lo; }; then
  fail "gomicro namespace" "ip (package iproute2) could not set up lo"
  finish
fi

declare -A address  # of each registry's server
servers=()
for registry in consul etcd nats; do
  if ! launch "$work/$registry.log" "$binaries/tests/services/serve" "$registry"; then
    fail "gomicro $registry" "$(tail -n 3 "$work/$registry.log")"
    finish
  fi
  servers+=("$pid")
  address[$registry]=$(sed -n "s/^ready $registry \([^ ]*\).*/\1/p" "$work/$registry.log")
done

# choose_registry NAME VERSION: its flags. Those that both sides take alike go to $discovery, those of clients alone to $lookup, and what
# our programs need beside to meet that version of go-micro to $ours.
choose_registry() {
  discovery=(--registry="$1") lookup=() ours=()
  if [[ -n "${address[$1]:-}" ]]; then discovery+=(--registry_address="${address[$1]}"); fi
  # Where nobody knows who will answer, a busy machine needs more than the 100 ms that both sides wait.
  if [[ "$1" == mdns || "$1" == nats ]]; then lookup=(--registry_timeout=300ms); fi
  # v4's plugin has subjects of its own; v5 has ours.
  if [[ "$1 $2" == "nats v4" ]]; then ours=(--registry_prefix=micro.registry.nats); fi
}

# serve LABEL NAME COMMAND…: a service by this name; $pid is its id, $work/NAME.log what it printed; $mark as in launch.
serve() {
  local label=$1 service=$2
  shift 2
  launch "$work/$service.log" "$@" "${discovery[@]}" --server_name="$service" --server_address=127.0.0.1:0 && return 0
  fail "gomicro $label is ready" "$(tail -n 3 "$work/$service.log")"
  return 1
}

# leave LABEL NAME: the service ends on SIGTERM.
leave() {
  if end_by_sigterm "$pid"; then pass "gomicro $1 ends"; else fail "gomicro $1 ends" "exit code $?: $(tail -n 3 "$work/$2.log")"; fi
}

# ---- The checks of one cell of the table ----

declare -A cell_passed cell_total  # by "VERSION WIRE DIRECTION CONTENT REGISTRY"

# judge CELL LABEL WANTED_CODE PATTERN CODE OUTPUT: the whole output matches the extended regular expression.
judge() {
  cell_total[$1]=$((${cell_total[$1]:-0} + 1))
  if [[ "$5" == "$3" && "$6" =~ ^$4$ ]]; then
    cell_passed[$1]=$((${cell_passed[$1]:-0} + 1))
    pass "gomicro $1 $2"
  else
    local output=${6//$end/ / } pattern=${4//$end/ / }
    fail "gomicro $1 $2" "exit code $5 (wanted $3), output \"${output:0:400}\" (wanted ${pattern:0:400})"
  fi
}

# check LABEL EXIT_CODE PATTERN ARGS…: adds a call to those of the cell.
check() {
  labels+=("$1")
  codes+=("$2")
  patterns+=("$3")
  arguments+=("$(IFS=$'\t' && shift 3 && echo "$*")")
}

# checks WIRE DIRECTION CONTENT SERVICE: all calls of a cell. What has no body is checked along with protobuf.
checks() {
  local type service=$4 nosuch="code=501 detail=\"unknown service Greeter.Nosuch\" status=\"Not Implemented\""
  case "$1 $3" in
    "grpc protobuf") type=application/grpc+proto ;;
    "grpc json") type=application/grpc+json ;;
    *) type=application/$3 ;;
  esac
  type=--content_type=$type
  if [[ "$1" == rpc ]]; then nosuch="code=.* detail=\"rpc: can't find method Nosuch\" .*"; fi
  labels=() codes=() patterns=() arguments=()
  check hello 0 "Hello John" --call=hello "$type"
  check fail 1 'error id="helloworld" code=404 detail="no such user" status="Not Found"' --call=fail "$type"
  check sleep 0 "returned after [0-9]+ ms" --call=sleep --ms=50 "$type"
  check deadline 1 "returned after ([7-9]|1[0-9])[0-9][0-9] ms${end}error .* code=408 .*" --call=sleep --ms=3000 --deadline=700ms "$type"
  check echo 0 "echo 32 true" --call=echo "$type"
  check "echo of 64 KiB" 0 "echo 65536 true" --call=echo --size=65536 "$type"
  check meta 0 "(.*${end})?[Ff]oo_bar=z${end}(.*${end})?[Xx]-[Tt]race-[Ii]d=abc.*" --call=meta --meta=X-Trace-Id=abc,foo_bar=z "$type"
  check count 0 "1${end}2${end}3${end}EOF" --call=count --gap_ms=20 "$type"
  if [[ "$1 $2" != "rpc cpp->go" ]]; then  # go_micro_cannot below
    check "count at full speed" 0 "$(seq 200)${end}EOF" --call=count --n=200 "$type"
  fi
  check sum 0 "total 6" --call=sum "$type"
  check chat 0 "a${end}b" --call=chat "$type"
  check "unknown endpoint" 1 "error id=\".*\" $nosuch" --call=nosuch "$type"
  if [[ "$3" == json ]]; then return; fi
  if [[ "$2" == "go->cpp" ]]; then check debug 0 "health ok${end}stats true true true${end}log true" --call=debug; fi
  check list 0 "(.*${end})?service $service${end}.*\"name\":\"$service\".*127\.0\.0\.1:.*" --call=list
  check "unknown service" 1 "error id=\"go.micro.client\" code=500 detail=\"service $service-nosuch: not found\" .*" \
    --call=hello --service="$service-nosuch"
}

# call_as_go CELL VERSION WIRE SERVICE: the checks in one process of the Go client.
call_as_go() {
  local i words label code printed found output
  for i in "${!labels[@]}"; do printf '%s\t--service=%s\t%s\n' "${labels[i]}" "$4" "${arguments[i]}"; done >"$work/batch"
  timeout 120 "$(go "$2" client)" "${discovery[@]}" "${lookup[@]}" --client="$3" --batch="$work/batch" >"$work/batch.out" 2>"$work/batch.log"
  for i in "${!labels[@]}"; do
    found=none output=$(tail -n 3 "$work/batch.log")
    while IFS=$'\t' read -r _ label code printed; do
      if [[ "$label" == "${labels[i]}" ]]; then found=$code output=${printed//\\n/$end}; fi
    done <"$work/batch.out"
    judge "$1" "${labels[i]}" "${codes[i]}" "${patterns[i]}" "$found" "$output"
  done
}

# call_as_cpp CELL VERSION WIRE SERVICE: the checks, each in a process of our client.
call_as_cpp() {
  local i words output
  for i in "${!labels[@]}"; do
    IFS=$'\t' read -ra words <<<"${arguments[i]}"
    output=$(timeout 60 "$binaries/tests/interop/client" "${discovery[@]}" "${lookup[@]}" "${ours[@]}" --client="$3" --log_level=error \
      --service="$4" "${words[@]}" 2>&1)
    judge "$1" "${labels[i]}" "${codes[i]}" "${patterns[i]}" "$?" "$output"
  done
}

# ---- What cannot be ----

# go_micro_cannot VERSION WIRE SERVICE LABEL WHY PATTERN ARGS…: go-micro fails at it against itself too; if not, it is to be checked above.
go_micro_cannot() {
  local version=$1 wire=$2 service=$3 label=$4 why=$5 pattern=$6 output
  shift 6
  output=$(timeout 60 "$(go "$version" client)" "${discovery[@]}" "${lookup[@]}" --client="$wire" --service="$service" "$@" 2>/dev/null)
  if [[ "$output" =~ ^$pattern$ ]]; then
    fail "gomicro $version $wire go->go $label" "go-micro can do it now: check it with our client too"
  else
    echo "n/a gomicro $version $wire cpp->go $label: $why; go-micro to itself: $(head -n 3 <<<"$output" | tr '\n' ' ')"
  fi
}

# ---- The matrix ----

# run_cells VERSION WIRE DIRECTION CALLER REGISTRY SERVICE
run_cells() {
  local content
  for content in protobuf json; do
    checks "$2" "$3" "$content" "$6"
    "$4" "$1 $2 $3 $content $5" "$1" "$2" "$6"
  done
}

# run_left, with the same arguments: the service has ended, and the registry knows.
run_left() {
  labels=() codes=() patterns=() arguments=()
  check "service that has left" 1 "error id=\"go.micro.client\" code=500 detail=\"service $6: not found\" .*" --call=hello
  "$4" "$1 $2 $3 protobuf $5" "$1" "$2" "$6"
}

for registry in mdns consul etcd nats; do
  for cell in {grpc,rpc}\ {v5,v4}; do
    read -r wire version <<<"$cell"
    choose_registry "$registry" "$version"

    label="our service for $version, $wire $registry," service=$id-cpp-$wire
    if serve "$label" "$service" "$binaries/tests/interop/service" --server="$wire" --server_debug --log_level=warn "${ours[@]}"; then
      run_cells "$version" "$wire" "go->cpp" call_as_go "$registry" "$service"
      leave "$label" "$service"
      run_left "$version" "$wire" "go->cpp" call_as_go "$registry" "$service"
    fi

    label="$version service, $wire $registry," service=$id-$version-$wire
    serve "$label" "$service" "$(go "$version" service)" --server="$wire" || continue
    run_cells "$version" "$wire" "cpp->go" call_as_cpp "$registry" "$service"
    if [[ "$wire $registry" == "rpc mdns" ]]; then
      go_micro_cannot "$version" rpc "$service" "count at full speed" "its server overwrites messages that follow each other fast" \
        "$(seq 200)${end}EOF" --call=count --n=200
    fi
    leave "$label" "$service"
    run_left "$version" "$wire" "cpp->go" call_as_cpp "$registry" "$service"
  done
done

# ---- By name, with programs that know nothing of each other ----

choose_registry consul v5
if mark="Hello " serve "examples/helloworld" "$id-cpp" "$binaries/examples/helloworld/helloworld"; then
  for version in v5 v4; do
    output=$("$(go "$version" client)" "${discovery[@]}" "${lookup[@]}" --client=grpc --service="$id-cpp" --name=Go 2>/dev/null)
    judge "by name over Consul:" "$version calls examples/helloworld: $output" 0 "Hello Go" "$?" "$output"
  done
  leave "examples/helloworld" "$id-cpp"
fi
if serve "v5 service" "$id-go" "$(go v5 service)" --server=grpc; then
  output=$("$binaries/examples/helloworld/client" "${discovery[@]}" --service="$id-go" --name=C++ 2>&1)
  judge "by name over Consul:" "examples/helloworld:client calls v5: $output" 0 "Hello C\+\+" "$?" "$output"
  leave "v5 service" "$id-go"
fi

# ---- The table ----

printf '\n%-28s %8s %8s %8s %8s\n' "passed / checks" mdns consul etcd nats
for row in {v5,v4}\ {grpc,rpc}\ {go,cpp}\ {protobuf,json}; do
  row=${row/ go / "go->cpp" } row=${row/ cpp / "cpp->go" }
  printf '%-28s' "$row"
  for registry in mdns consul etcd nats; do
    cell=${cell_passed["$row $registry"]:-0}/${cell_total["$row $registry"]:-0}
    printf ' %8s' "${cell/#0\/0/down}"
  done
  echo
done
echo
for pid in "${servers[@]}"; do end_by_sigterm "$pid"; done
