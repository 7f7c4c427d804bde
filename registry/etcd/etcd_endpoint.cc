#include "registry/etcd/etcd_endpoint.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include <charconv>
#include <string_view>

#include "core/grpc/runtime.h"
#include "core/status_macros.h"
#include "core/tls_files.h"

namespace micro::registry {
namespace {

constexpr int kMaxAnswer = 64 << 20;

struct Address {
  std::string host_port;
  bool tls = false;
};

absl::Status BadAddress(std::string_view address, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format(
      "etcd address \"{}\" (flag --registry_address) {}; expected host:port or https://host:port",
      address, why));
}

bool IsPort(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port > 0 && port <= 65535;
}

absl::StatusOr<Address> ParseAddress(std::string_view address, bool tls) {
  std::string_view rest = address;
  Address parsed{.host_port = {}, .tls = tls};
  if (const size_t scheme = rest.find("://"); scheme != rest.npos) {
    const std::string_view name = rest.substr(0, scheme);
    if (name != "http" && name != "https")
      return BadAddress(address, "is neither http:// nor https://");
    if (name == "http" && tls)
      return BadAddress(address, "is plain http://, but --registry_tls… asks for TLS");
    parsed.tls = name == "https";
    rest.remove_prefix(scheme + 3);
    if (rest.ends_with('/')) rest.remove_suffix(1);
  }
  if (rest.find_first_of("/ ?#@,") != rest.npos)
    return BadAddress(address, "has more in it than host and port");
  const bool bracketed = rest.starts_with('[');
  const size_t host_end = bracketed ? rest.find(']') : rest.rfind(':');
  if (bracketed && host_end == rest.npos) return BadAddress(address, "has no closing bracket");
  const size_t colon = bracketed ? host_end + 1 : host_end;
  const std::string_view host = rest.substr(0, colon);
  if (host.empty() || host == "[]") return BadAddress(address, "has no host");
  if (!bracketed && host.find(':') != host.npos)
    return BadAddress(address, "is an IPv6 address without brackets");
  if (colon >= rest.size()) {
    parsed.host_port = fmt::format("{}:2379", host);
    return parsed;
  }
  if (rest[colon] != ':' || !IsPort(rest.substr(colon + 1)))
    return BadAddress(address, "has no port of 1 to 65535");
  parsed.host_port = rest;
  return parsed;
}

grpc::ChannelArguments Arguments(const Options& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxAnswer);
  arguments.SetMaxSendMessageSize(kMaxAnswer);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // How long TCP, TLS and HTTP/2 may take to connect, and the pauses between attempts.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 500);
  // A peer that is gone without a word is noticed on streams that are silent for long. etcd takes a
  // ping every 5 s at most.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // no limit
  if (!options.tls_server_name.empty()) arguments.SetSslTargetNameOverride(options.tls_server_name);
  return arguments;
}

}  // namespace

absl::StatusOr<std::vector<EtcdEndpoint>> OpenEtcdEndpoints(const Options& options) {
  StartGrpc();
  ASSIGN_OR_RETURN(
      TlsFiles tls,
      ReadTlsFiles({.ca = options.tls_ca, .cert = options.tls_cert, .key = options.tls_key},
                   "registry"));
  const auto plain = grpc::InsecureChannelCredentials();
  const auto secure = grpc::SslCredentials({.pem_root_certs = std::move(tls.ca),
                                            .pem_private_key = std::move(tls.key),
                                            .pem_cert_chain = std::move(tls.cert)});
  const grpc::ChannelArguments arguments = Arguments(options);
  std::vector<std::string> addresses = options.addresses;
  if (addresses.empty()) addresses.push_back("127.0.0.1");
  std::vector<EtcdEndpoint> endpoints;
  for (const std::string& text : addresses) {
    ASSIGN_OR_RETURN(Address address, ParseAddress(text, options.UsesTls()));
    grpc::GenericStub stub(
        grpc::CreateCustomChannel(address.host_port, address.tls ? secure : plain, arguments));
    endpoints.push_back({std::move(address.host_port), std::move(stub)});
  }
  return endpoints;
}

}  // namespace micro::registry
