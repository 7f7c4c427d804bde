// DebugEndpoints are what a service tells of itself to those who call Debug.Health, Debug.Stats,
// Debug.Log, Debug.Trace and Debug.Nodes (micro/debug/debug.proto); ServiceOptions::debug, flag
// --server_debug.
//
// Mirrors go-micro's debug/handler, so that its clients can ask.
#pragma once

#include <memory>

#include "micro/debug/traces.h"
#include "micro/handler.h"
#include "micro/server.h"
#include "selector/selector.h"

namespace micro {

class DebugEndpoints {
 public:
  // Tells of the nodes that `selector` knows and the calls that `traces` keeps. The log is kept from
  // now on (core/log_records.h).
  DebugEndpoints(std::shared_ptr<selector::Selector> selector,
                 std::shared_ptr<const Traces> traces);

  // Counts the calls that go through it, for Debug.Stats: to be the outermost of a server.
  HandlerWrapper Counter() const;

  // Adds the endpoints to a server that has not started, and tells of it: served, but not advertised.
  void AddTo(Server& server) const;

  // Ends the streams of Debug.Log that follow the log, which would hold up the server's stop.
  void EndStreams();

 private:
  struct State;
  class Answers;
  const std::shared_ptr<State> state_;
};

}  // namespace micro
