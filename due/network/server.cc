#include "due/network/server.h"

#include <fmt/format.h>

#include <utility>

#include "due/network/stream_server.h"

namespace due {

absl::StatusOr<std::unique_ptr<Server>> Server::Listen(ServerOptions options, Hooks hooks) {
  if (options.network == "tcp") return ListenTcp(options, std::move(hooks));
  return absl::InvalidArgumentError(
      fmt::format("network is \"{}\"; there is: tcp (flag --network)", options.network));
}

}  // namespace due
