#include "core/net/deadlines.h"

#include <algorithm>
#include <utility>

#include "absl/container/btree_set.h"
#include "core/clock.h"
#include "core/net/asio.h"

namespace micro::net {

struct Deadlines::Queue : std::enable_shared_from_this<Deadlines::Queue> {
  explicit Queue(Loop& loop) : timer(loop.io()) {}

  // Has the timer come no later than the first deadline.
  void Arm() {
    if (waiting.empty() || armed_for <= waiting.begin()->first) return;
    armed_for = waiting.begin()->first;
    const absl::Duration wait =
        std::clamp(armed_for - Clock::Real().Now(), absl::ZeroDuration(), absl::Hours(24));
    timer.expires_after(absl::ToChronoNanoseconds(wait));
    timer.async_wait([queue = weak_from_this()](ErrorCode cancelled) {
      if (const auto alive = queue.lock(); alive && !cancelled) alive->Fire();
    });
  }

  void Fire() {
    armed_for = absl::InfiniteFuture();
    const absl::Time now = Clock::Real().Now();
    while (!waiting.empty() && waiting.begin()->first <= now) {
      Deadline& due = *waiting.begin()->second;
      auto reached = std::move(due.reached_);
      due.Clear();
      reached();
    }
    Arm();
  }

  absl::btree_set<std::pair<absl::Time, Deadline*>> waiting;
  asio::steady_timer timer;
  absl::Time armed_for = absl::InfiniteFuture();
};

Deadlines::Deadlines(Loop& loop) : queue_(std::make_shared<Queue>(loop)) {}

Deadlines::~Deadlines() {
  for (const auto& [when, deadline] : std::exchange(queue_->waiting, {}))
    deadline->queue_ = nullptr;
}

void Deadline::Set(Deadlines& deadlines, absl::Time when, absl::AnyInvocable<void()> reached) {
  Clear();
  if (when == absl::InfiniteFuture()) return;
  queue_ = deadlines.queue_;
  when_ = when;
  reached_ = std::move(reached);
  queue_->waiting.emplace(when_, this);
  queue_->Arm();
}

void Deadline::Clear() {
  if (queue_ == nullptr) return;
  queue_->waiting.erase(std::pair(when_, this));
  queue_ = nullptr;
  reached_ = nullptr;
}

}  // namespace micro::net
