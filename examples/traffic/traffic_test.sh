#!/usr/bin/env bash
# The canary moves while the file is edited, and a file that is wrong moves nothing.
source examples/test_programs.sh
rules="$TEST_TMPDIR/rules.yaml"
cp examples/traffic/traffic.yaml "$rules"

start traffic examples/traffic/traffic --traffic_rules="$rules"
log="$TEST_TMPDIR/traffic.log"
await "$log" "100 % of the testers'"
sed -i 's/weight: 10}/weight: 0}/' "$rules"
await "$log" "answers   0 % of the users' calls, 100 % of the testers'"
sed -i 's/weight: 0}/weight: lots}/' "$rules"
await "$log" "rules.yaml:10: services.teller.rules[1].route[1].weight: expected a number"
lines=$(grep -c answers "$log")
until [[ $(grep -c answers "$log") -gt $lines ]]; do sleep 0.1; done
expect_in "answers   0 % of the users' calls" <(tail -n 1 "$log") "after a wrong file"
sed -i -e 's/weight: lots}/weight: 1}/' -e 's/weight: 90}/weight: 0}/' "$rules"
await "$log" "answers 100 % of the users' calls"

examples/traffic/traffic --traffic_rules=nosuch.yaml >"$TEST_TMPDIR/nosuch.out" 2>&1
expect 1 $? "exit code without a file"
expect_in 'cannot read nosuch.yaml: No such file or directory (flag --traffic_rules)' "$TEST_TMPDIR/nosuch.out" "no file"

finish
