// A Membership is what an instance tells the registry of itself, for as long as it runs. Internal.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/context.h"
#include "core/mutex.h"
#include "core/task.h"
#include "core/task_scope.h"
#include "due/instances/instance_registry.h"
#include "due/link/frames.h"

namespace due {

// "work", "busy" …, as registries have it.
std::string_view NameOf(link::State state);
link::State ParseState(std::string_view name);  // what is none is shut

// All of it from any thread.
class Membership {
 public:
  // The registry outlives it.
  Membership(InstanceRegistry& registry, Instance instance)
      : registry_(registry), instance_(std::move(instance)) {}

  // Registers the instance with its link's endpoint, in state "work".
  micro::Task<absl::Status> Register(micro::Context ctx, std::string endpoint);

  link::State state() const;

  // From now on it is in that state, and the registry hears of it, in the background; the last of
  // several is what it ends up with. A failure is logged, and mended by the registry's refreshes.
  void SetState(link::State state);

  // It is about to go: in state "hang", whatever SetState says from now on.
  void Leave();

  // Waits until the registry has heard all.
  auto Told() { return scope_.Done(); }

  // Takes it out, where it was registered.
  micro::Task<absl::Status> Deregister(micro::Context ctx);

 private:
  void Change(link::State state, bool is_last);
  micro::Task<void> Tell();

  InstanceRegistry& registry_;
  mutable micro::Mutex mutex_;
  Instance instance_ ABSL_GUARDED_BY(mutex_);
  link::State state_ ABSL_GUARDED_BY(mutex_) = link::State::kShut;
  bool is_registered_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_telling_ ABSL_GUARDED_BY(mutex_) = false;
  bool has_changed_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_leaving_ ABSL_GUARDED_BY(mutex_) = false;
  micro::TaskScope scope_;
};

}  // namespace due
