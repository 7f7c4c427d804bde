// Deadlines call back at times on one loop. Made for many that are nearly always taken back before
// they come, as the deadlines of calls are: setting one is an insertion, and the loop's timer is
// touched only when it would come too late.
//
//   net::Deadlines deadlines(loop);
//   net::Deadline deadline;
//   deadline.Set(deadlines, ctx.deadline(), [this] { GiveUp(); });
//
// Everything here is for the loop's thread.
#pragma once

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"
#include "core/net/loops.h"

namespace micro::net {

class Deadlines {
 public:
  explicit Deadlines(Loop& loop);
  ~Deadlines();  // what is still set never calls back
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;

 private:
  friend class Deadline;
  struct Queue;
  const std::shared_ptr<Queue> queue_;
};

// One callback at a time of Clock::Real().
class Deadline {
 public:
  Deadline() = default;
  ~Deadline() { Clear(); }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // Calls `reached` once at `when`, never inside Set; absl::InfiniteFuture(): never. In place of
  // what was set before. `reached` may free this object.
  void Set(Deadlines& deadlines, absl::Time when, absl::AnyInvocable<void()> reached);

  // Takes it back.
  void Clear();

 private:
  friend class Deadlines;
  std::shared_ptr<Deadlines::Queue> queue_;  // while it is set
  absl::Time when_;
  absl::AnyInvocable<void()> reached_;
};

}  // namespace micro::net
