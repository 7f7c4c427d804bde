// A report for people: one line on the service, a line a node, a line a rule.
//
//   service helloworld: strategy random, 2 nodes, confirmed 1.2s ago, registry ok
//   node helloworld-1 10.0.0.1:4000 version=1.0.0 locality=- weight=1 in_flight=0 calls=12 latency=340us usable
//   node helloworld-2 10.0.0.2:4000 version=2.0.0 locality=- weight=1 in_flight=0 calls=3 latency=90us ejected 4s ago, tried again in 6s: refused
//   rule canary, always: version 1.0.0 weight 90 (1 node), version 2.0.0 weight 10 (1 node)
#pragma once

#include <string>

#include "absl/time/time.h"
#include "selector/report.h"

namespace micro::selector {

// The lines, each with its end. Times are told as durations from `now`, of the clock that the
// selector has. What came from outside cannot end a line.
std::string ToText(const Report& report, absl::Time now);

}  // namespace micro::selector
