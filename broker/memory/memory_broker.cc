// The broker "memory": topics shared by all memory brokers of the process, or by those made with
// the same addresses. Publish queues the message for each subscription and returns; each
// subscription has a coroutine that calls its handler.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <utility>

#include "broker/broker.h"
#include "core/async.h"
#include "core/log.h"
#include "core/mutex.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"

namespace micro::broker {
namespace {

// How many messages may wait for one subscription.
constexpr size_t kQueueLength = 1024;

using SharedMessage = std::shared_ptr<const Message>;

class MemoryEvent final : public Event {
 public:
  MemoryEvent(std::string_view topic, SharedMessage message)
      : topic_(topic), message_(std::move(message)) {}
  std::string_view topic() const override { return topic_; }
  const Message& message() const override { return *message_; }
  Task<absl::Status> Ack(Context) override { co_return absl::OkStatus(); }

 private:
  const std::string_view topic_;
  const SharedMessage message_;
};

// One subscription's queue and the loop that empties it.
class Subscription {
 public:
  Subscription(std::string topic, std::string queue, Handler handler)
      : topic(std::move(topic)), queue(std::move(queue)), handler_(std::move(handler)) {}

  const std::string topic;
  const std::string queue;

  bool Push(SharedMessage message) { return messages_.Push(std::move(message)); }

  void Close() { messages_.Close(absl::CancelledError("unsubscribed")); }

  Task<void> Run() {
    while (true) {
      const absl::StatusOr<SharedMessage> message = co_await messages_.Pop(Context());
      if (!message.ok()) co_return;
      // Away from the publisher's thread, which has other things to do.
      co_await Offload([] {});
      MemoryEvent event(topic, *message);
      const absl::Status status = co_await handler_(Context(), event);
      if (!status.ok()) log::Warn("a subscriber failed", {{"topic", topic}, {"error", status}});
    }
  }

  // Waits until the loop has ended; one caller waits, others go on.
  Task<absl::Status> Ended(Context ctx) {
    if (awaited_.exchange(true)) co_return absl::OkStatus();
    co_return (co_await Await(std::move(ctx), ended_)).status();
  }

  // Runs the loop; it keeps the subscription alive.
  static internal::Detached Start(std::shared_ptr<Subscription> subscription) {
    co_await subscription->Run();
    subscription->ended_->TrySet(true);
  }

 private:
  const Handler handler_;
  std::atomic<bool> awaited_ = false;
  const std::shared_ptr<OneShot<bool>> ended_ = std::make_shared<OneShot<bool>>();
  Queue<SharedMessage> messages_{kQueueLength};
};

// The topics of one world.
class Topics {
 public:
  static std::shared_ptr<Topics> For(const std::vector<std::string>& addresses) {
    static Mutex& mutex = *new Mutex;
    static auto& worlds = *new std::map<std::set<std::string>, std::shared_ptr<Topics>>;
    MutexLock lock(mutex);
    std::shared_ptr<Topics>& world =
        worlds[std::set<std::string>(addresses.begin(), addresses.end())];
    if (world == nullptr) world = std::make_shared<Topics>();
    return world;
  }

  void Add(std::shared_ptr<Subscription> subscription) {
    MutexLock lock(mutex_);
    topics_[subscription->topic].push_back(std::move(subscription));
  }

  void Remove(const std::shared_ptr<Subscription>& subscription) {
    MutexLock lock(mutex_);
    const auto topic = topics_.find(subscription->topic);
    if (topic == topics_.end()) return;
    std::erase(topic->second, subscription);
    if (topic->second.empty()) topics_.erase(topic);
  }

  // Every subscription without a queue, and one of each queue, in turn.
  std::vector<std::shared_ptr<Subscription>> Receivers(const std::string& topic) {
    MutexLock lock(mutex_);
    std::vector<std::shared_ptr<Subscription>> receivers;
    const auto subscriptions = topics_.find(topic);
    if (subscriptions == topics_.end()) return receivers;
    std::map<std::string, std::vector<std::shared_ptr<Subscription>>> queues;
    for (const auto& subscription : subscriptions->second) {
      if (subscription->queue.empty()) {
        receivers.push_back(subscription);
      } else {
        queues[subscription->queue].push_back(subscription);
      }
    }
    ++turn_;
    for (const auto& [name, members] : queues) receivers.push_back(members[turn_ % members.size()]);
    return receivers;
  }

 private:
  Mutex mutex_;
  uint64_t turn_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::vector<std::shared_ptr<Subscription>>> topics_ ABSL_GUARDED_BY(mutex_);
};

class MemorySubscriber final : public Subscriber {
 public:
  MemorySubscriber(std::shared_ptr<Topics> topics, std::shared_ptr<Subscription> subscription)
      : topics_(std::move(topics)), subscription_(std::move(subscription)) {}
  ~MemorySubscriber() override { End(); }

  std::string_view topic() const override { return subscription_->topic; }

  Task<absl::Status> Unsubscribe(Context ctx) override {
    End();
    co_return co_await subscription_->Ended(std::move(ctx));
  }

 private:
  void End() {
    topics_->Remove(subscription_);
    subscription_->Close();
  }

  const std::shared_ptr<Topics> topics_;
  const std::shared_ptr<Subscription> subscription_;
};

class MemoryBroker final : public Broker {
 public:
  explicit MemoryBroker(const Options& options) : topics_(Topics::For(options.addresses)) {}
  ~MemoryBroker() override { EndAll(); }

  std::string_view name() const override { return "memory"; }

  Task<absl::Status> Connect(Context ctx) override {
    CO_RETURN_IF_ERROR(ctx.status());
    connected_ = true;
    co_return absl::OkStatus();
  }

  Task<absl::Status> Disconnect(Context) override {
    connected_ = false;
    EndAll();
    co_return absl::OkStatus();
  }

  Task<absl::Status> Publish(Context ctx, std::string topic, Message message) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_RETURN_IF_ERROR(Connected());
    const auto shared = std::make_shared<const Message>(std::move(message));
    absl::Status status;
    for (const auto& receiver : topics_->Receivers(topic)) {
      if (!receiver->Push(shared)) {
        status = absl::ResourceExhaustedError(
            fmt::format("a subscriber of topic {} is {} messages behind; this one it will not get",
                        topic, kQueueLength));
      }
    }
    co_return status;
  }

  Task<absl::StatusOr<std::unique_ptr<Subscriber>>> Subscribe(Context ctx, std::string topic,
                                                              Handler handler,
                                                              SubscribeOptions options) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_RETURN_IF_ERROR(Connected());
    auto subscription = std::make_shared<Subscription>(std::move(topic), std::move(options.queue),
                                                       std::move(handler));
    topics_->Add(subscription);
    {
      MutexLock lock(mutex_);
      std::erase_if(subscriptions_, [](const auto& weak) { return weak.expired(); });
      subscriptions_.push_back(subscription);
    }
    Subscription::Start(subscription);
    co_return std::make_unique<MemorySubscriber>(topics_, std::move(subscription));
  }

 private:
  absl::Status Connected() const {
    if (connected_) return absl::OkStatus();
    return absl::FailedPreconditionError("the broker memory is not connected: Connect comes first");
  }

  void EndAll() {
    std::vector<std::weak_ptr<Subscription>> subscriptions;
    {
      MutexLock lock(mutex_);
      subscriptions.swap(subscriptions_);
    }
    for (const auto& weak : subscriptions) {
      if (const auto subscription = weak.lock()) {
        topics_->Remove(subscription);
        subscription->Close();
      }
    }
  }

  const std::shared_ptr<Topics> topics_;
  std::atomic<bool> connected_ = false;
  Mutex mutex_;
  std::vector<std::weak_ptr<Subscription>> subscriptions_ ABSL_GUARDED_BY(mutex_);
};

MICRO_PLUGIN(Broker, "memory",
             [](const Options& options) { return std::make_unique<MemoryBroker>(options); });

}  // namespace
}  // namespace micro::broker
