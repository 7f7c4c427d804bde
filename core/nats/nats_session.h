// A Session is one connection to one NATS server: it is connected when it is made, and once lost it
// stays so. It is where libnats is called; what Connection is made of, and for it alone.
//
// For one thread at a time. Its calls may block, for ConnectionOptions::patience.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/nats/nats_address.h"
#include "core/nats/nats_connection.h"

struct __natsConnection;  // of libnats
struct __natsSubscription;

namespace micro::nats {

// INVALID_ARGUMENT, naming the flag: TLS files that cannot be used.
absl::Status CheckOptions(const ConnectionOptions& options);

class Session {
 public:
  // Called once when the connection is lost, on a thread of libnats.
  using OnLost = std::function<void(absl::Status)>;

  // UNAVAILABLE: why there is no connection.
  static absl::StatusOr<std::unique_ptr<Session>> Open(const ConnectionOptions& options,
                                                       const Address& address, OnLost on_lost);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  absl::Status Subscribe(std::shared_ptr<const Subscription> subscription);
  size_t subscriptions() const { return subscriptions_.size(); }

  // INVALID_ARGUMENT: a message that this server never takes.
  absl::Status Publish(const std::string& subject, const std::string& reply,
                       const std::string& payload);

  // OK when the server has got all that was sent before.
  absl::Status RoundTrip();

 private:
  Session(absl::Duration patience, OnLost on_lost);
  absl::Status Connect(const ConnectionOptions& options, const Address& address);

  const int64_t patience_ms_;
  const std::shared_ptr<const OnLost> on_lost_;
  void* const on_lost_closure_;
  std::vector<void*> closures_;  // of the subscriptions
  std::vector<__natsSubscription*> subscriptions_;
  __natsConnection* connection_ = nullptr;
  __natsSubscription* echo_ = nullptr;  // what RoundTrip sends to itself
  std::string echo_subject_;
  uint64_t echoes_ = 0;
};

}  // namespace micro::nats
