// Bindings are the users that are bound to a node, as the locator's events tell of them: whom it
// waits for on its way down. Internal.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>

#include "core/context.h"
#include "core/mutex.h"
#include "core/task.h"
#include "core/task_scope.h"
#include "due/locate/locator.h"

namespace due {

class Bindings {
 public:
  // Of the node `nid`, of that name. The locator outlives it.
  Bindings(Locator& locator, std::string name, std::string nid);
  ~Bindings();  // waits for its end: not on a thread of a loop

  // Errors as Locator::Watch.
  micro::Task<absl::Status> Start(micro::Context ctx);
  micro::Task<void> Stop();

  // How many there are; those that were bound before Start are not known.
  size_t Count() const;

 private:
  micro::Task<void> Follow();
  void Apply(const LocationEvent& event);

  Locator& locator_;
  const std::string name_, nid_;
  micro::Context life_;
  micro::CancelFunction end_;
  std::unique_ptr<LocationWatcher> watcher_;
  mutable micro::Mutex mutex_;
  std::unordered_set<int64_t> users_ ABSL_GUARDED_BY(mutex_);
  micro::TaskScope scope_;
};

}  // namespace due
