#include "micro/grpc/credentials.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "core/status_macros.h"

namespace micro::grpc_wire {
namespace {

// The text of a PEM file of the kind that `marker` says ("CERTIFICATE", "PRIVATE KEY"); empty for
// no file.
absl::StatusOr<std::string> ReadPem(const std::string& file, std::string_view flag,
                                    std::string_view marker) {
  if (file.empty()) return std::string();
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf())) {
    return absl::InvalidArgumentError(
        fmt::format("cannot read {} (flag --{}): {}", file, flag,
                    errno != 0 ? std::strerror(errno) : "it is empty"));
  }
  if (text.str().find(fmt::format("{}-----", marker)) == std::string::npos) {
    return absl::InvalidArgumentError(
        fmt::format("{} (flag --{}) holds no PEM {}", file, flag, marker));
  }
  return text.str();
}

absl::Status BothOrNone(const std::string& cert, const std::string& key, std::string_view side) {
  if (cert.empty() == key.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("--{0}_tls_cert and --{0}_tls_key go together: only one is set", side));
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> ServerCredentialsOf(
    const ServerOptions& options) {
  RETURN_IF_ERROR(BothOrNone(options.tls_cert, options.tls_key, "server"));
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
  RETURN_IF_ERROR(BothOrNone(options.tls_cert, options.tls_key, "client"));
  if (!options.tls && options.tls_ca.empty() && options.tls_cert.empty())
    return grpc::InsecureChannelCredentials();
  grpc::SslCredentialsOptions ssl;
  ASSIGN_OR_RETURN(ssl.pem_root_certs, ReadPem(options.tls_ca, "client_tls_ca", "CERTIFICATE"));
  ASSIGN_OR_RETURN(ssl.pem_cert_chain, ReadPem(options.tls_cert, "client_tls_cert", "CERTIFICATE"));
  ASSIGN_OR_RETURN(ssl.pem_private_key, ReadPem(options.tls_key, "client_tls_key", "PRIVATE KEY"));
  return grpc::SslCredentials(ssl);
}

}  // namespace micro::grpc_wire
