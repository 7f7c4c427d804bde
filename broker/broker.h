// A Broker carries messages from publishers to the subscribers of a topic.
//
//   CO_ASSIGN_OR_RETURN(auto subscriber, co_await broker->Subscribe(ctx, "orders", handler, {.queue = "billing"}));
//   CO_RETURN_IF_ERROR(co_await broker->Publish(ctx, "orders", {.header = {{"Content-Type", "application/json"}}, .body = "{}"}));
//
// Subscribers with the same queue name share the messages, each going to one of them; one without a
// queue gets every message. Services publish through Client::Publish and subscribe through
// Server::Subscribe, which add codecs and metadata. All methods may be called from any thread.
// Mirrors go-micro's broker.Broker.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/metadata.h"
#include "core/task.h"

namespace micro::broker {

struct Message {
  Metadata header = {};
  std::string body = {};
};

// One message as it was delivered to one subscriber.
class Event {
 public:
  virtual ~Event() = default;
  virtual std::string_view topic() const = 0;
  virtual const Message& message() const = 0;

  // Tells the broker that the message has been dealt with; only for subscribers without auto_ack.
  // OK on brokers that keep nothing.
  virtual Task<absl::Status> Ack(Context ctx) = 0;
};

// What a subscriber does with a message. The event lives until the task ends. Messages of one
// subscription come one after another.
using Handler = std::function<Task<absl::Status>(const Context& ctx, Event& event)>;

struct SubscribeOptions {
  std::string queue = {};
  bool auto_ack = true;  // acknowledge when the handler answers OK
};

// A running subscription; its destructor ends it without waiting.
class Subscriber {
 public:
  virtual ~Subscriber() = default;
  virtual std::string_view topic() const = 0;

  // Takes no more messages, and waits for the handler that runs. OK when it had ended before.
  virtual Task<absl::Status> Unsubscribe(Context ctx) = 0;
};

// What every implementation is made with.
struct Options {
  std::vector<std::string> addresses = {};  // of the broker; empty: the implementation's default
  absl::Duration timeout =
      absl::ZeroDuration();  // of one request; zero: the implementation's default
};

class Broker {
 public:
  static constexpr std::string_view kPluginKind = "broker";
  using PluginOptions = Options;

  virtual ~Broker() = default;

  // The name of its plugin: "memory", "nats" …
  virtual std::string_view name() const = 0;

  // Connects; OK when it is connected. UNAVAILABLE: the broker cannot be reached, the message names
  // its address.
  virtual Task<absl::Status> Connect(Context ctx) = 0;

  // Ends all subscriptions and the connection; OK when there is none.
  virtual Task<absl::Status> Disconnect(Context ctx) = 0;

  // Hands a message over; resumes when the broker has it. FAILED_PRECONDITION: not connected.
  // RESOURCE_EXHAUSTED: a subscriber in this process is too far behind.
  virtual Task<absl::Status> Publish(Context ctx, std::string topic, Message message) = 0;

  // Calls `handler` with each message of the topic from now on. FAILED_PRECONDITION: not connected.
  virtual Task<absl::StatusOr<std::unique_ptr<Subscriber>>> Subscribe(Context ctx,
                                                                      std::string topic,
                                                                      Handler handler,
                                                                      SubscribeOptions options) = 0;
};

}  // namespace micro::broker
