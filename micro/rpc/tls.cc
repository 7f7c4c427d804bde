#include "micro/rpc/tls.h"

#include <fmt/format.h>

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/tls_files.h"

namespace micro::rpc {
namespace {

constexpr char kAlpn[] = "http/1.1";

absl::StatusOr<std::shared_ptr<const net::Tls>> WithFlags(
    absl::StatusOr<std::shared_ptr<const net::Tls>> tls, std::string_view side) {
  if (tls.ok()) return tls;
  return absl::InvalidArgumentError(
      fmt::format("{} (flags --{}_tls_cert, --{}_tls_key, --{}_tls_ca)",
                  ToStd(tls.status().message()), side, side, side));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const net::Tls>> ServerTlsOf(const ServerOptions& options) {
  RETURN_IF_ERROR(
      ReadTlsFiles({.ca = options.tls_ca, .cert = options.tls_cert, .key = options.tls_key},
                   "server")
          .status());
  if (options.tls_cert.empty()) {
    if (options.tls_ca.empty()) return nullptr;
    return absl::InvalidArgumentError(
        "--server_tls_ca needs --server_tls_cert and --server_tls_key");
  }
  return WithFlags(
      net::NewServerTls(
          {.ca = options.tls_ca, .cert = options.tls_cert, .key = options.tls_key, .alpn = kAlpn}),
      "server");
}

absl::StatusOr<std::shared_ptr<const net::Tls>> ClientTlsOf(const ClientOptions& options) {
  RETURN_IF_ERROR(
      ReadTlsFiles({.ca = options.tls_ca, .cert = options.tls_cert, .key = options.tls_key},
                   "client")
          .status());
  if (!options.tls && options.tls_ca.empty() && options.tls_cert.empty()) return nullptr;
  return WithFlags(net::NewClientTls({.ca = options.tls_ca,
                                      .cert = options.tls_cert,
                                      .key = options.tls_key,
                                      .server_name = options.tls_server_name,
                                      .alpn = kAlpn}),
                   "client");
}

}  // namespace micro::rpc
