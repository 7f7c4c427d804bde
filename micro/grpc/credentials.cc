#include "micro/grpc/credentials.h"

#include "core/status_macros.h"
#include "micro/tls_files.h"

namespace micro::grpc_wire {

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerCredentialsOf(
    const ServerOptions& options) {
  RETURN_IF_ERROR(CheckCertAndKey(options.tls_cert, options.tls_key, "server"));
  if (options.tls_cert.empty()) {
    if (options.tls_ca.empty()) return grpc::InsecureServerCredentials();
    return absl::InvalidArgumentError(
        "--server_tls_ca needs --server_tls_cert and --server_tls_key");
  }
  ASSIGN_OR_RETURN(std::string cert, ReadPem(options.tls_cert, "server_tls_cert", "CERTIFICATE"));
  ASSIGN_OR_RETURN(std::string key, ReadPem(options.tls_key, "server_tls_key", "PRIVATE KEY"));
  ASSIGN_OR_RETURN(std::string ca, ReadPem(options.tls_ca, "server_tls_ca", "CERTIFICATE"));
  grpc::SslServerCredentialsOptions ssl(
      ca.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                 : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ssl.pem_root_certs = std::move(ca);
  ssl.pem_key_cert_pairs.push_back({std::move(key), std::move(cert)});
  return grpc::SslServerCredentials(ssl);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> ChannelCredentialsOf(
    const ClientOptions& options) {
  RETURN_IF_ERROR(CheckCertAndKey(options.tls_cert, options.tls_key, "client"));
  if (!options.tls && options.tls_ca.empty() && options.tls_cert.empty())
    return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadPem(options.tls_ca, "client_tls_ca", "CERTIFICATE"));
  ASSIGN_OR_RETURN(ssl.pem_cert_chain, ReadPem(options.tls_cert, "client_tls_cert", "CERTIFICATE"));
  ASSIGN_OR_RETURN(ssl.pem_private_key, ReadPem(options.tls_key, "client_tls_key", "PRIVATE KEY"));
  return grpc::SslCredentials(ssl);
}

}  // namespace micro::grpc_wire
