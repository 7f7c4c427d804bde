#include "due/cluster/membership.h"

#include <array>
#include <utility>

#include "core/log.h"

namespace due {

using micro::Context;
using micro::MutexLock;
using micro::Task;

namespace {

constexpr absl::Duration kRegistryTime = absl::Seconds(3);
constexpr std::array<std::string_view, 4> kStates = {"shut", "work", "busy", "hang"};

}  // namespace

std::string_view NameOf(link::State state) { return kStates[static_cast<size_t>(state)]; }

link::State ParseState(std::string_view name) {
  for (size_t i = 0; i < kStates.size(); ++i) {
    if (kStates[i] == name) return static_cast<link::State>(i);
  }
  return link::State::kShut;
}

Task<absl::Status> Membership::Register(Context ctx, std::string endpoint) {
  Instance instance;
  {
    MutexLock lock(mutex_);
    state_ = link::State::kWork;
    instance_.state = NameOf(state_);
    instance_.endpoint = std::move(endpoint);
    instance = instance_;
    is_registered_ = true;
  }
  co_return co_await registry_.Register(WithTimeout(ctx, kRegistryTime), std::move(instance));
}

link::State Membership::state() const {
  MutexLock lock(mutex_);
  return state_;
}

void Membership::SetState(link::State state) { Change(state, /*is_last=*/false); }

void Membership::Leave() { Change(link::State::kHang, /*is_last=*/true); }

void Membership::Change(link::State state, bool is_last) {
  {
    MutexLock lock(mutex_);
    if (is_leaving_) return;
    is_leaving_ = is_last;
    if (std::exchange(state_, state) == state) return;
    instance_.state = NameOf(state);
    has_changed_ = true;
    if (!is_registered_ || std::exchange(is_telling_, true)) return;
  }
  Spawn(scope_, Tell());
}

// One after the other, so that the registry ends up with the last.
Task<void> Membership::Tell() {
  while (true) {
    Instance instance;
    {
      MutexLock lock(mutex_);
      if (!is_registered_ || !std::exchange(has_changed_, false)) {
        is_telling_ = false;
        co_return;
      }
      instance = instance_;
    }
    const absl::Status status =
        co_await registry_.Register(WithTimeout(Context(), kRegistryTime), instance);
    if (status.ok()) continue;
    micro::log::Warn("the registry has not heard of a state; it is told again",
                     {{"id", instance.id}, {"state", instance.state}, {"error", status}});
  }
}

Task<absl::Status> Membership::Deregister(Context ctx) {
  Instance instance;
  {
    MutexLock lock(mutex_);
    is_leaving_ = true;
    if (!std::exchange(is_registered_, false)) co_return absl::OkStatus();
    state_ = link::State::kShut;
    instance = instance_;
  }
  co_await Told();
  co_return co_await registry_.Deregister(WithTimeout(ctx, kRegistryTime), std::move(instance));
}

}  // namespace due
