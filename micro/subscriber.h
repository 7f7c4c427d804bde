// Subscribers: what a server does with the messages of a topic.
//
//   server->Subscribe(NewSubscriber<Order>("orders", [](const Context& ctx, const Order& order) -> Task<absl::Status> {
//     ...
//     co_return absl::OkStatus();
//   }, {.queue = "billing"}));
//   ...
//   co_await client->Publish(ctx, "orders", order, {});
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "core/context.h"
#include "core/task.h"

namespace google::protobuf {
class Descriptor;
class Message;
}  // namespace google::protobuf

namespace micro {

// One message on its way to its handler; everything in it is lent for the call. Its headers,
// without Content-Type, are the context's metadata.
struct Publication {
  std::string_view topic;
  std::string_view content_type;
  const google::protobuf::Message& payload;
};

// What handles one message. Mirrors go-micro's server.SubscriberFunc.
using SubscriberFunc = std::function<Task<absl::Status>(const Context&, const Publication&)>;

// Middleware around it: takes the next function and returns one. Mirrors go-micro's
// server.SubscriberWrapper.
using SubscriberWrapper = std::function<SubscriberFunc(SubscriberFunc next)>;

struct SubscriberOptions {
  std::string queue = {};  // subscribers of one queue share the messages; empty: each gets all
  bool auto_ack = true;    // acknowledge when the handler answers OK
  bool internal = false;   // not advertised
};

struct Subscriber {
  std::string topic = {};
  SubscriberOptions options = {};
  const google::protobuf::Descriptor* payload = nullptr;
  std::function<std::unique_ptr<google::protobuf::Message>()> new_payload = nullptr;
  SubscriberFunc handle = nullptr;
};

// `handle(ctx, message) -> Task<absl::Status>` for messages of type T.
template <class T, class Handle>
Subscriber NewSubscriber(std::string topic, Handle handle, SubscriberOptions options = {}) {
  return {.topic = std::move(topic),
          .options = std::move(options),
          .payload = T::descriptor(),
          .new_payload = [] { return std::make_unique<T>(); },
          .handle =
              [handle](const Context& ctx, const Publication& publication) {
                return handle(ctx, static_cast<const T&>(publication.payload));
              }};
}

}  // namespace micro
