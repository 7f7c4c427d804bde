#include "due/kcp/options.h"

#include <fmt/format.h>

#include <climits>
#include <string_view>

#include "core/status_macros.h"

namespace due {
namespace {

absl::Status CheckRange(std::string_view option, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("kcp option {} is {}, not from {} to {}", option, value, least, most));
}

}  // namespace

absl::Status KcpOptions::Check() const {
  RETURN_IF_ERROR(CheckRange("mtu", mtu, 50, 1500));
  RETURN_IF_ERROR(CheckRange("no_delay.nodelay", no_delay.nodelay, 0, 2));
  RETURN_IF_ERROR(CheckRange("no_delay.interval_ms", no_delay.interval_ms, 10, 5000));
  RETURN_IF_ERROR(CheckRange("no_delay.resend", no_delay.resend, 0, 1000));
  RETURN_IF_ERROR(CheckRange("no_delay.nc", no_delay.nc, 0, 1));
  RETURN_IF_ERROR(CheckRange("send_window", send_window, 1, 32768));
  RETURN_IF_ERROR(CheckRange("receive_window", receive_window, 1, 32768));
  RETURN_IF_ERROR(CheckRange("read_buffer", static_cast<int64_t>(read_buffer), 0, INT_MAX));
  return CheckRange("write_buffer", static_cast<int64_t>(write_buffer), 0, INT_MAX);
}

}  // namespace due
