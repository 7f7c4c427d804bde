#include "due/cluster/kcp_flags.h"

#include <fmt/format.h>

#include "absl/strings/numbers.h"
#include "core/status_macros.h"

namespace due {
namespace {

// As many numbers into `targets`, or none.
absl::Status Read(std::string_view flag, const std::vector<std::string>& words,
                  const std::vector<int*>& targets) {
  if (words.empty()) return absl::OkStatus();
  bool is_read = words.size() == targets.size();
  for (size_t i = 0; is_read && i < words.size(); ++i)
    is_read = absl::SimpleAtoi(words[i], targets[i]);
  if (is_read) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("{} takes {} numbers with commas between", flag, targets.size()));
}

}  // namespace

std::vector<micro::Flag> KcpFlags::Flags() {
  return {{"kcp_no_delay", &no_delay, "nodelay,interval,resend,nc: 1,10,2,1 is fast"},
          {"kcp_window", &window, "send,receive: segments"},
          {"kcp_mtu", &options.mtu, "bytes of a datagram"},
          {"kcp_ack_no_delay", &options.ack_no_delay, "acknowledge at once"},
          {"kcp_write_delay", &options.write_delay, "send at the next interval"}};
}

absl::StatusOr<KcpOptions> KcpFlags::ToOptions() const {
  KcpOptions read = options;
  KcpNoDelay& delay = read.no_delay;
  RETURN_IF_ERROR(Read("--kcp_no_delay", no_delay,
                       {&delay.nodelay, &delay.interval_ms, &delay.resend, &delay.nc}));
  RETURN_IF_ERROR(Read("--kcp_window", window, {&read.send_window, &read.receive_window}));
  RETURN_IF_ERROR(read.Check());
  return read;
}

}  // namespace due
