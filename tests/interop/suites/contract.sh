# The C++ service and client of the contract, two processes that find each other by mDNS on lo: every call, and what each prints.

# In case other services run on this machine: a name of our own.
name="interop-$$"
discovery=(--registry=mdns --registry_address=lo --log_level=warn)

# call ARGS…: one run of the client; its output goes to $output, its exit code to $code.
call() {
  output=$(timeout 60 "$client" "${discovery[@]}" --service="$name" "$@" 2>&1)
  code=$?
}

# check NAME EXIT_CODE PATTERN ARGS…: the client's whole output matches the extended regular expression.
check() {
  local what=$1 wanted_code=$2 pattern=$3
  shift 3
  call "$@"
  if [[ "$code" == "$wanted_code" && "$output" =~ ^$pattern$ ]]; then
    pass "$what"
  else
    fail "$what" "exit code $code (wanted $wanted_code), output \"$output\" (wanted $pattern)"
  fi
}

build //tests/interop:service //tests/interop:client
service=$binaries/tests/interop/service
client=$binaries/tests/interop/client

if launch "$work/service.log" "$service" "${discovery[@]}" --server_name="$name" --server_address=127.0.0.1:0; then
  pass "ready"
else
  fail "ready" "$(cat "$work/service.log")"
fi
service_pid=$pid

check "hello" 0 "Hello John" --call=hello
check "fail" 1 'error id="helloworld" code=404 detail="no such user" status="Not Found"' --call=fail
check "sleep" 0 "returned after [0-9]+ ms" --call=sleep --ms=50
check "deadline" 1 "returned after [3-9][0-9][0-9] ms${end}error .* code=408 .*" --call=sleep --ms=1500 --deadline=300ms
check "echo" 0 "echo 32 true" --call=echo
check "echo of 0 bytes" 0 "echo 0 true" --call=echo --size=0
check "echo of 1 MiB" 0 "echo 1048576 true" --call=echo --size=1048576
check "meta" 0 ".*(^|${end})foo_bar=z${end}(.*${end})?x-trace-id=abc.*" --call=meta --meta=X-Trace-Id=abc,foo_bar=z
check "count" 0 "1${end}2${end}3${end}EOF" --call=count
check "count to 0" 0 "EOF" --call=count --n=0
check "count with gaps" 0 "1${end}2${end}EOF" --call=count --n=2 --gap_ms=20
check "sum" 0 "total 6" --call=sum
check "sum of nothing" 0 "total 0" --call=sum --nums=
check "chat" 0 "a${end}b" --call=chat
check "list" 0 ".*service $name.*\"name\":\"$name\".*127\.0\.0\.1:.*" --call=list
for call in hello=Hello\ John "echo=echo 32 true" "count=1${end}2${end}3${end}EOF" "sum=total 6" "chat=a${end}b"; do
  check "${call%%=*} as JSON" 0 "${call#*=}" --call="${call%%=*}" --content_type=application/json
done
check "fail as JSON" 1 'error id="helloworld" code=404 .*' --call=fail --content_type=application/grpc+json
check "an unknown content type" 1 'error id="go.micro.client" code=500 .*' --call=hello --content_type=application/nosuch
check "many calls" 0 "sent=200 ok=200 failed=0" --call=hello --repeat=200
check "many streams" 0 "sent=50 ok=50 failed=0" --call=chat --repeat=50
check "an unknown endpoint" 1 "error id=\"$name\" code=501 detail=\"unknown service Greeter.Nosuch\" status=\"Not Implemented\"" --call=nosuch
check "an unknown service" 1 "error id=\"go.micro.client\" code=500 detail=\"service $name-nosuch: not found\" .*" \
  --call=hello --service="$name-nosuch"

if end_by_sigterm "$service_pid"; then pass "SIGTERM"; else fail "SIGTERM" "exit code $?: $(cat "$work/service.log")"; fi
check "a service that has left" 1 "error id=\"go.micro.client\" code=500 detail=\"service $name: not found\" .*" --call=hello
