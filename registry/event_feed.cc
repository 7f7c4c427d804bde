#include "registry/event_feed.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <string>
#include <utility>

#include "core/async.h"
#include "core/executor.h"

namespace micro::registry {

// The events that one watcher has not yet taken.
class EventFeed::Subscription {
 public:
  Subscription(std::string service, size_t capacity)
      : service_(std::move(service)), capacity_(capacity) {}

  void Push(const Event& event) {
    if (!service_.empty() && service_ != event.service.name) return;
    MutexLock lock(mutex_);
    if (!closed_.ok()) return;
    if (events_.size() < capacity_) {
      events_.push_back(event);
    } else {
      events_.clear();
      closed_ = absl::UnavailableError(fmt::format("the watcher fell {} events behind", capacity_));
    }
    Wake();
  }

  void Close(absl::Status reason, bool drop_queued) {
    MutexLock lock(mutex_);
    if (drop_queued) events_.clear();
    if (!closed_.ok()) return;
    closed_ = std::move(reason);
    Wake();
  }

  // Keeps itself alive: the watcher may be destroyed while a Next waits.
  static Task<absl::StatusOr<Event>> Next(std::shared_ptr<Subscription> self, Context ctx) {
    while (true) {
      std::shared_ptr<OneShot<bool>> waiter;
      {
        MutexLock lock(self->mutex_);
        if (!self->events_.empty()) {
          absl::StatusOr<Event> event = std::move(self->events_.front());
          self->events_.pop_front();
          co_return event;
        }
        if (!self->closed_.ok()) co_return self->closed_;
        waiter = self->waiter_ = std::make_shared<OneShot<bool>>();
      }
      const absl::StatusOr<bool> woken = co_await Await(ctx, std::move(waiter));
      if (!woken.ok()) co_return woken.status();
    }
  }

 private:
  void Wake() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!waiter_) return;
    Executor::Default().Post([waiter = std::move(waiter_)] { waiter->TrySet(true); });
    waiter_ = nullptr;
  }

  const std::string service_;
  const size_t capacity_;
  Mutex mutex_;
  std::deque<Event> events_ ABSL_GUARDED_BY(mutex_);
  absl::Status closed_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<OneShot<bool>> waiter_ ABSL_GUARDED_BY(mutex_);
};

class EventFeed::FeedWatcher final : public Watcher {
 public:
  explicit FeedWatcher(std::shared_ptr<Subscription> subscription)
      : subscription_(std::move(subscription)) {}
  ~FeedWatcher() override { Stop(); }

  Task<absl::StatusOr<Event>> Next(Context ctx) override {
    return Subscription::Next(subscription_, std::move(ctx));
  }
  void Stop() override {
    subscription_->Close(absl::CancelledError("watcher stopped"), /*drop_queued=*/true);
  }

 private:
  const std::shared_ptr<Subscription> subscription_;
};

std::unique_ptr<Watcher> EventFeed::Watch(const WatchOptions& options) {
  auto subscription = std::make_shared<Subscription>(options.service, capacity_);
  MutexLock lock(mutex_);
  std::erase_if(subscriptions_, [](const auto& s) { return s.expired(); });
  if (closed_.ok()) {
    subscriptions_.push_back(subscription);
  } else {
    subscription->Close(closed_, /*drop_queued=*/false);
  }
  return std::make_unique<FeedWatcher>(std::move(subscription));
}

void EventFeed::Publish(const Event& event) {
  MutexLock lock(mutex_);
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock()) subscription->Push(event);
  }
}

void EventFeed::Close(absl::Status reason) {
  MutexLock lock(mutex_);
  if (closed_.ok()) closed_ = std::move(reason);
  for (const auto& weak : subscriptions_) {
    if (const auto subscription = weak.lock()) subscription->Close(closed_, /*drop_queued=*/false);
  }
  subscriptions_.clear();
}

bool EventFeed::watched() const {
  MutexLock lock(mutex_);
  return std::any_of(subscriptions_.begin(), subscriptions_.end(),
                     [](const auto& s) { return !s.expired(); });
}

}  // namespace micro::registry
