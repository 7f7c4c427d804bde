// An UpgradeRequest is what a WebSocket client asks before the connection is one.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace due {

struct UpgradeRequest {
  std::string path = {}, query = {};  // "/game", "token=x"; as they came, percent signs and all
  std::string remote_address = {};
  std::vector<std::pair<std::string, std::string>> headers = {};

  // The first header of this name, case aside; empty: there is none.
  std::string_view Get(std::string_view name) const;
};

}  // namespace due
