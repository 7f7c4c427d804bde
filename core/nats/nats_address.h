// One NATS server, as flags and MICRO_NATS_ADDRESS name it: "10.0.0.7:4222", "nats://host", "tls://[::1]:4222".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace micro::nats {

struct Address {
  std::string host = {};  // an IPv6 address without its brackets
  int port = 4222;
  bool tls = false;  // it was named tls://

  std::string text() const;  // host:port
  friend bool operator==(const Address&, const Address&) = default;
};

// INVALID_ARGUMENT, with the address and what is expected. It never repeats what stands before an @.
absl::StatusOr<Address> ParseAddress(std::string_view text);

// Those that `given` names; if there are none, those of MICRO_NATS_ADDRESS; else nats://127.0.0.1:4222.
absl::StatusOr<std::vector<Address>> ParseAddresses(const std::vector<std::string>& given);

}  // namespace micro::nats
