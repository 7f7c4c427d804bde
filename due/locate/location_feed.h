// A LocationFeed carries events to watchers: what the implementations of locators share.
//
// Every method may be called from any thread, also with a lock held: none waits, and none runs a
// watcher's code. Watchers go on on threads of the executor and may outlive the feed, whose
// destructor ends them.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "core/mutex.h"
#include "due/locate/locator.h"

namespace due {

class LocationFeed {
 public:
  // A watcher that is `capacity` events behind loses them, and is told kMissed.
  explicit LocationFeed(size_t capacity = 4096) : capacity_(capacity) {}
  ~LocationFeed();
  LocationFeed(const LocationFeed&) = delete;
  LocationFeed& operator=(const LocationFeed&) = delete;

  // A watcher of what is published from now on.
  std::unique_ptr<LocationWatcher> Watch(LocationWatch watch);

  // Queues `event` for the watchers of its kind, kMissed for all.
  void Publish(const LocationEvent& event);

 private:
  class Subscription;
  class FeedWatcher;

  const size_t capacity_;
  micro::Mutex mutex_;
  std::vector<std::weak_ptr<Subscription>> subscriptions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace due
