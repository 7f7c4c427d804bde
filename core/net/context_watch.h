// A ContextWatch tells work on a loop that its context has ended.
//
//   net::ContextWatch watch(loop, deadlines, ctx, [this](absl::Status why) { GiveUp(why); });
//
// Made, destroyed and calling back on the loop's thread; the context is cancelled on any.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "core/context.h"
#include "core/net/deadlines.h"
#include "core/net/loops.h"

namespace micro::net {

class ContextWatch {
 public:
  // Calls `ended` once when `ctx` ends, with CANCELLED or DEADLINE_EXCEEDED; never inside the
  // constructor and not after the destructor. `ended` may free this object.
  ContextWatch(Loop& loop, Deadlines& deadlines, const Context& ctx,
               absl::AnyInvocable<void(absl::Status)> ended);
  ~ContextWatch();
  ContextWatch(const ContextWatch&) = delete;
  ContextWatch& operator=(const ContextWatch&) = delete;

 private:
  // What a cancellation on its way to the loop finds: the watch, or that it has gone.
  struct Link {
    ContextWatch* watch;
  };
  struct Cancelled {
    Loop& loop;
    std::shared_ptr<Link> link;
    void operator()() const;
  };
  void End(absl::Status why);

  absl::AnyInvocable<void(absl::Status)> ended_;
  Deadline deadline_;
  std::shared_ptr<Link> link_;  // of a context that can be cancelled
  std::optional<std::stop_callback<Cancelled>> cancelled_;
};

}  // namespace micro::net
