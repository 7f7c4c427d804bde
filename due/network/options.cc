#include "due/network/options.h"

#include <fmt/format.h>

#include "core/status_macros.h"

namespace due {
namespace {

absl::Status Bad(std::string_view option, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("{} {}", option, why));
}

absl::Status CheckNetwork(const std::string& network) {
  if (network == "tcp" || network == "ws" || network == "kcp") return absl::OkStatus();
  return Bad("network",
             fmt::format("is \"{}\"; there are: tcp, ws, kcp (flag --network)", network));
}

}  // namespace

absl::Status ServerOptions::Check() const {
  RETURN_IF_ERROR(CheckNetwork(network));
  RETURN_IF_ERROR(packet.Check());
  RETURN_IF_ERROR(kcp.Check());
  if (network == "kcp" && !cert_file.empty())
    return Bad("cert_file", "is given, but KCP has no TLS");
  if (cert_file.empty() != key_file.empty())
    return Bad(cert_file.empty() ? "cert_file" : "key_file", "is missing: TLS needs both");
  if (max_conn_num < 1) return Bad("max_conn_num", "is below 1");
  if (first_id < 1) return Bad("first_id", "is below 1");
  if (write_queue_size < 1) return Bad("write_queue_size", "is below 1");
  if (packet_rate < 0) return Bad("packet_rate", "is negative");
  if (stall_timeout <= absl::ZeroDuration()) return Bad("stall_timeout", "is not above zero");
  if (heartbeat_interval < absl::ZeroDuration()) return Bad("heartbeat_interval", "is negative");
  if (authorize_timeout < absl::ZeroDuration()) return Bad("authorize_timeout", "is negative");
  if (handshake_timeout <= absl::ZeroDuration())
    return Bad("handshake_timeout", "is not above zero");
  if (!path.starts_with('/'))
    return Bad("path", fmt::format("is \"{}\", which has no / in front", path));
  return absl::OkStatus();
}

absl::Status ClientOptions::Check() const {
  RETURN_IF_ERROR(CheckNetwork(network));
  RETURN_IF_ERROR(packet.Check());
  RETURN_IF_ERROR(kcp.Check());
  if (network == "kcp" && !(ca_file.empty() && server_name.empty()))
    return Bad(ca_file.empty() ? "server_name" : "ca_file", "is given, but KCP has no TLS");
  if (write_queue_size < 1) return Bad("write_queue_size", "is below 1");
  if (stall_timeout <= absl::ZeroDuration()) return Bad("stall_timeout", "is not above zero");
  if (dial_timeout <= absl::ZeroDuration()) return Bad("dial_timeout", "is not above zero");
  if (heartbeat_interval < absl::ZeroDuration()) return Bad("heartbeat_interval", "is negative");
  return absl::OkStatus();
}

}  // namespace due
