#include "core/context.h"

#include <algorithm>
#include <string>

namespace micro {
namespace {

// A source of cancellation that also follows a parent's.
struct CancelState {
  std::stop_source source;
  std::shared_ptr<const void>
      parent;  // links the parent to its own, when nobody else keeps it any more

  void Stop() {
    std::stop_source own = source;  // what Stop wakes may free this state
    own.request_stop();
  }

  struct Follow {
    CancelState* state;
    void operator()() const { state->Stop(); }
  };
  std::optional<std::stop_callback<Follow>> follow_parent;
};

}  // namespace

absl::Duration Context::remaining() const {
  if (deadline_ == absl::InfiniteFuture()) return absl::InfiniteDuration();
  return std::max(deadline_ - Clock::Real().Now(), absl::ZeroDuration());
}

absl::Status Context::status() const {
  if (stop_.stop_requested()) return absl::CancelledError("context canceled");
  if (deadline_ != absl::InfiniteFuture() && Clock::Real().Now() >= deadline_) {
    return absl::DeadlineExceededError("context deadline exceeded");
  }
  return absl::OkStatus();
}

const Metadata& Context::metadata() const {
  static const Metadata& none = *new Metadata;
  return metadata_ ? *metadata_ : none;
}

Context WithDeadline(const Context& parent, absl::Time deadline) {
  Context context = parent;
  context.deadline_ = std::min(parent.deadline_, deadline);
  return context;
}

Context WithTimeout(const Context& parent, absl::Duration timeout) {
  if (timeout == absl::InfiniteDuration()) return parent;
  return WithDeadline(parent, Clock::Real().Now() + timeout);
}

std::pair<Context, CancelFunction> WithCancel(const Context& parent) {
  auto state = std::make_shared<CancelState>();
  state->parent = parent.cancel_state_;
  if (parent.stop_token().stop_possible()) {
    state->follow_parent.emplace(parent.stop_token(), CancelState::Follow{state.get()});
  }
  Context context = WithStopToken(parent, state->source.get_token());
  context.cancel_state_ = state;
  return {std::move(context), [state = std::move(state)] { state->Stop(); }};
}

Context WithMetadata(const Context& parent, Metadata metadata) {
  Context context = parent;
  context.metadata_ = std::make_shared<const Metadata>(std::move(metadata));
  return context;
}

Context WithMetadata(const Context& parent, std::string_view key, std::string_view value) {
  Metadata metadata = parent.metadata();
  metadata.Set(key, value);
  return WithMetadata(parent, std::move(metadata));
}

Context WithStopToken(const Context& parent, std::stop_token token) {
  Context context = parent;
  context.stop_ = std::move(token);
  return context;
}

}  // namespace micro
