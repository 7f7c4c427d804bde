// TLS of the RPC wire from the files of the flags.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "core/net/socket.h"
#include "micro/client.h"
#include "micro/server.h"

namespace micro::rpc {

// Null without files: plain text; mutual TLS with an authority too. INVALID_ARGUMENT names the flag
// and file.
absl::StatusOr<std::shared_ptr<const net::Tls>> ServerTlsOf(const ServerOptions& options);
absl::StatusOr<std::shared_ptr<const net::Tls>> ClientTlsOf(const ClientOptions& options);

}  // namespace micro::rpc
