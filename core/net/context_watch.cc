#include "core/net/context_watch.h"

#include <utility>

namespace micro::net {

ContextWatch::ContextWatch(Loop& loop, Deadlines& deadlines, const Context& ctx,
                           absl::AnyInvocable<void(absl::Status)> ended)
    : ended_(std::move(ended)) {
  deadline_.Set(deadlines, ctx.deadline(),
                [this] { End(absl::DeadlineExceededError("context deadline exceeded")); });
  if (!ctx.stop_token().stop_possible()) return;
  link_ = std::make_shared<Link>(Link{this});
  cancelled_.emplace(ctx.stop_token(), Cancelled{loop, link_});
}

ContextWatch::~ContextWatch() {
  if (link_ != nullptr) link_->watch = nullptr;
}

void ContextWatch::Cancelled::operator()() const {
  loop.Post([link = link] {
    if (link->watch != nullptr) link->watch->End(absl::CancelledError("context canceled"));
  });
}

void ContextWatch::End(absl::Status why) {
  deadline_.Clear();
  if (link_ != nullptr) link_->watch = nullptr;
  auto ended = std::move(ended_);  // it may free this object
  ended(std::move(why));
}

}  // namespace micro::net
