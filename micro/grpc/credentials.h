// TLS from PEM files, for both sides.
#pragma once

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>

#include "absl/status/statusor.h"
#include "micro/client.h"
#include "micro/server.h"

namespace micro::grpc_wire {

// Plain text without files; TLS with certificate and key; mutual TLS with an authority too.
// INVALID_ARGUMENT names the flag and file.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerCredentialsOf(
    const ServerOptions& options);
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ChannelCredentialsOf(
    const ClientOptions& options);

}  // namespace micro::grpc_wire
