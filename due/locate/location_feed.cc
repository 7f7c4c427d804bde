#include "due/locate/location_feed.h"

#include <deque>
#include <utility>

#include "core/async.h"
#include "core/executor.h"

namespace due {

using micro::MutexLock;
using micro::OneShot;

// The events that one watcher has not yet taken.
class LocationFeed::Subscription {
 public:
  Subscription(LocationWatch watch, size_t capacity) : watch_(watch), capacity_(capacity) {}

  void Push(const LocationEvent& event) {
    const bool missed = event.type == LocationEvent::kMissed;
    if (!missed && !(event.ins_kind == "gate" ? watch_.gates : watch_.nodes)) return;
    MutexLock lock(mutex_);
    if (!closed_.ok()) return;
    if (missed || events_.size() >= capacity_) {
      // What came before is worth nothing either.
      events_.assign(1, LocationEvent());
    }
    if (!missed) events_.push_back(event);
    Wake();
  }

  void Close(absl::Status reason) {
    MutexLock lock(mutex_);
    if (!closed_.ok()) return;
    closed_ = std::move(reason);
    events_.clear();
    Wake();
  }

  // Keeps itself alive: the watcher may be destroyed while a Next waits.
  static micro::Task<absl::StatusOr<LocationEvent>> Next(std::shared_ptr<Subscription> self,
                                                         micro::Context ctx) {
    while (true) {
      std::shared_ptr<OneShot<bool>> waiter;
      {
        MutexLock lock(self->mutex_);
        if (!self->closed_.ok()) co_return self->closed_;
        if (!self->events_.empty()) {
          absl::StatusOr<LocationEvent> event = std::move(self->events_.front());
          self->events_.pop_front();
          co_return event;
        }
        waiter = self->waiter_ = std::make_shared<OneShot<bool>>();
      }
      const absl::StatusOr<bool> woken = co_await Await(ctx, std::move(waiter));
      if (!woken.ok()) co_return woken.status();
    }
  }

 private:
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!waiter_) return;
    micro::Executor::Default().Post([waiter = std::move(waiter_)] { waiter->TrySet(true); });
    waiter_ = nullptr;
  }

  const LocationWatch watch_;
  const size_t capacity_;
  micro::Mutex mutex_;
  std::deque<LocationEvent> events_ ABSL_GUARDED_BY(mutex_);
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<OneShot<bool>> waiter_ ABSL_GUARDED_BY(mutex_);
};

class LocationFeed::FeedWatcher final : public LocationWatcher {
 public:
  explicit FeedWatcher(std::shared_ptr<Subscription> subscription)
      : subscription_(std::move(subscription)) {}
  ~FeedWatcher() override { Stop(); }

  micro::Task<absl::StatusOr<LocationEvent>> Next(micro::Context ctx) override {
    return Subscription::Next(subscription_, std::move(ctx));
  }
  void Stop() override { subscription_->Close(absl::CancelledError("watcher stopped")); }

 private:
  const std::shared_ptr<Subscription> subscription_;
};

LocationFeed::~LocationFeed() {
  MutexLock lock(mutex_);
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock())
      subscription->Close(absl::UnavailableError("the locator was closed"));
  }
}

std::unique_ptr<LocationWatcher> LocationFeed::Watch(LocationWatch watch) {
  auto subscription = std::make_shared<Subscription>(watch, capacity_);
  MutexLock lock(mutex_);
  std::erase_if(subscriptions_, [](const auto& s) { return s.expired(); });
  subscriptions_.push_back(subscription);
  return std::make_unique<FeedWatcher>(std::move(subscription));
}

void LocationFeed::Publish(const LocationEvent& event) {
  MutexLock lock(mutex_);
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock()) subscription->Push(event);
  }
}

}  // namespace due
