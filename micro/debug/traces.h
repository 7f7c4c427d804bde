// Traces keep the last calls that a service took and made, with their times and what called what,
// for those who ask (Debug.Trace).
//
// Mirrors go-micro's built-in tracer: a ring of 256 spans, and the headers Micro-Trace-ID and
// Micro-Span-ID from caller to callee, so that the spans of C++ and Go services make one trace. Here
// each attempt of a call is a span of its own, with the node that it went to. Any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "core/mutex.h"
#include "micro/client.h"
#include "micro/handler.h"

namespace micro {

// A call that has ended, as one side saw it.
struct Span {
  std::string trace = {};   // all that came of one call
  std::string id = {};      // this one
  std::string parent = {};  // the span that caused it; empty: none is known
  std::string name = {};    // "helloworld.Greeter.Hello"
  bool outbound = false;    // an attempt that this process made
  std::string node = {};    // outbound: whom it went to
  std::string error = {};   // empty: it went well
  absl::Time started = {};
  absl::Duration duration = {};
};

class Traces {
 public:
  static constexpr size_t kSpans = 256;
  static constexpr size_t kLongest = 128;  // bytes of an id that came from outside

  // The spans of a trace, empty: all that are kept; in the order in which they ended.
  std::vector<std::shared_ptr<const Span>> Read(std::string_view trace) const;

  void Add(Span span);

 private:
  mutable Mutex mutex_;
  std::deque<std::shared_ptr<const Span>> spans_ ABSL_GUARDED_BY(mutex_);
};

// Make spans of the calls that go through them, but for those of Debug.* itself.
HandlerWrapper TraceHandler(std::shared_ptr<Traces> traces);
CallWrapper TraceCall(std::shared_ptr<Traces> traces);

}  // namespace micro
