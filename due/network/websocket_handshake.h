// The texts of WebSocket's handshake (RFC 6455 §4). Internal.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "due/network/upgrade_request.h"

namespace due {

inline constexpr size_t kMostHead = 16 << 10;  // bytes of a request's or an answer's head

// Whom a server lets in.
struct UpgradeRules {
  std::string path = "/";
  std::vector<std::string> origins = {"*"};
  std::function<bool(const UpgradeRequest&)> on_upgrade = nullptr;
};

struct UpgradeAnswer {
  int status = 0;  // 101: it is let in
  std::string text = {};
};

// What a server answers to a request's head, the empty line included.
UpgradeAnswer AnswerUpgrade(std::string_view head, std::string_view remote_address,
                            const UpgradeRules& rules);

// What it answers to a head that is too long.
UpgradeAnswer AnswerTooLarge();

// A client's request, with 16 random bytes in base64; UNAVAILABLE says what is wrong with the answer's
// head.
std::string NewUpgradeKey();
std::string UpgradeRequestText(std::string_view host, std::string_view target,
                               std::string_view key);
absl::Status CheckUpgradeAnswer(std::string_view head, std::string_view key);

}  // namespace due
