// An InstanceFeed tells what instances of a kind there are, again whenever that changes. Internal.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/context.h"
#include "core/task.h"
#include "core/task_scope.h"
#include "due/instances/instance_registry.h"

namespace due {

class InstanceFeed {
 public:
  // `told` is called with all of them, on any thread, one call at a time. The registry outlives it.
  InstanceFeed(InstanceRegistry& registry, std::string kind,
               std::function<void(const std::vector<Instance>&)> told);
  ~InstanceFeed();  // waits for its end: not on a thread of a loop

  // Tells what there is now, and goes on telling. While the registry cannot be asked, what was told
  // last stays. Errors as InstanceRegistry::Watch.
  micro::Task<absl::Status> Start(micro::Context ctx);

  // Tells no more.
  micro::Task<void> Stop();

 private:
  micro::Task<void> Follow();

  InstanceRegistry& registry_;
  const std::string kind_;
  const std::function<void(const std::vector<Instance>&)> told_;
  micro::Context life_;
  micro::CancelFunction end_;
  std::unique_ptr<InstanceWatcher> watcher_;
  micro::TaskScope scope_;
};

}  // namespace due
