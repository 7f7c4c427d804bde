// The subscribers of a server on its broker.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "broker/broker.h"
#include "core/context.h"
#include "core/task.h"
#include "micro/subscriber.h"
#include "registry/registry.h"

namespace micro {

class Subscriptions {
 public:
  explicit Subscriptions(std::shared_ptr<broker::Broker> broker) : broker_(std::move(broker)) {}

  void Add(Subscriber subscriber) { subscribers_.push_back(std::move(subscriber)); }
  bool empty() const { return subscribers_.empty(); }

  // Connects the broker and subscribes once per topic and queue, all of whose subscribers get each
  // message in turn. Messages find their way through `wrappers`; errors that arise here have the id
  // `service`. FAILED_PRECONDITION: there are subscribers, and no broker.
  Task<absl::Status> Start(Context ctx, std::string service,
                           std::vector<SubscriberWrapper> wrappers);

  // Takes no more messages, and waits for running handlers.
  Task<void> Unsubscribe(Context ctx);

  // Leaves the broker, which gives what nobody has acknowledged to others. After Unsubscribe.
  Task<void> Disconnect(Context ctx);

  // How subscribers are advertised, sorted by topic descending, as go-micro has them.
  std::vector<registry::Endpoint> Records() const;

 private:
  struct Group;
  static Task<absl::Status> Deliver(const Group& group, const Context& ctx, broker::Event& event);

  const std::shared_ptr<broker::Broker> broker_;
  std::vector<Subscriber> subscribers_;
  std::vector<std::unique_ptr<broker::Subscriber>> running_;
};

}  // namespace micro
