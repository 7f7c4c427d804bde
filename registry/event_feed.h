// An EventFeed carries the events of one registry to its watchers: what implementations share that
// learn of changes themselves.
//
//   feed_.Publish({Action::kCreate, service});     // in the order in which things happened
//   co_return feed_.Watch(options);                // in Registry::Watch
//
// Every method may be called from any thread, also with a lock held: none waits, and none runs a
// watcher's code. Watchers resume on a thread of the executor, and may outlive the feed: its
// destructor closes them.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "core/mutex.h"
#include "registry/registry.h"

namespace micro::registry {

class EventFeed {
 public:
  // A watcher that is `capacity` events behind is closed with UNAVAILABLE.
  explicit EventFeed(size_t capacity = 1024) : capacity_(capacity) {}
  ~EventFeed() { Close(absl::UnavailableError("the registry was closed")); }
  EventFeed(const EventFeed&) = delete;
  EventFeed& operator=(const EventFeed&) = delete;

  // A watcher of what is published from now on.
  std::unique_ptr<Watcher> Watch(const WatchOptions& options);

  // Queues `event` for every watcher whose filter it passes.
  void Publish(const Event& event);

  // Ends all watchers, now and later ones too: Next answers `reason` once what is queued has been
  // handed out.
  void Close(absl::Status reason);

  // Whether anybody watches.
  bool watched() const;

 private:
  class Subscription;
  class FeedWatcher;

  const size_t capacity_;
  mutable Mutex mutex_;
  std::vector<std::weak_ptr<Subscription>> subscriptions_ ABSL_GUARDED_BY(mutex_);
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace micro::registry
