// The Server of transports that carry bytes over a Socket: TCP and TLS. Internal.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "due/network/server.h"

namespace due {

absl::StatusOr<std::unique_ptr<Server>> ListenTcp(const ServerOptions& options, Hooks hooks);

}  // namespace due
