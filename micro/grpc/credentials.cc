#include "micro/grpc/credentials.h"

#include "core/status_macros.h"
#include "core/tls_files.h"

namespace micro::grpc_wire {

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerCredentialsOf(
    const ServerOptions& options) {
  ASSIGN_OR_RETURN(
      TlsFiles tls,
      ReadTlsFiles({.ca = options.tls_ca, .cert = options.tls_cert, .key = options.tls_key},
                   "server"));
  if (tls.cert.empty()) {
    if (tls.ca.empty()) return grpc::InsecureServerCredentials();
    return absl::InvalidArgumentError(
        "--server_tls_ca needs --server_tls_cert and --server_tls_key");
  }
  grpc::SslServerCredentialsOptions ssl(
      tls.ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                     : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ssl.pem_root_certs = std::move(tls.ca);
  ssl.pem_key_cert_pairs.push_back({std::move(tls.key), std::move(tls.cert)});
  return grpc::SslServerCredentials(ssl);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ChannelCredentialsOf(
    const ClientOptions& options) {
  ASSIGN_OR_RETURN(
      TlsFiles tls,
      ReadTlsFiles({.ca = options.tls_ca, .cert = options.tls_cert, .key = options.tls_key},
                   "client"));
  if (!options.tls && tls.ca.empty() && tls.cert.empty()) return grpc::InsecureChannelCredentials();
  return grpc::SslCredentials({.pem_root_certs = std::move(tls.ca),
                               .pem_private_key = std::move(tls.key),
                               .pem_cert_chain = std::move(tls.cert)});
}

}  // namespace micro::grpc_wire
