// Link frames of gates and nodes: whatever comes is taken within bounds, what can be read is written
// as the same bytes again, and answers of every form are read or refused.
#include <cstdlib>
#include <string>
#include <vector>

#include "due/link/frames.h"

namespace {

constexpr size_t kMost = 1 << 16;

void Check(const due::link::Frame& frame) {
  std::vector<int64_t> targets;
  const auto request = due::link::ParseRequest(frame, targets);
  for (uint8_t route = 1; route <= 17; ++route) {
    const auto asked = static_cast<due::link::Route>(route);
    const auto response = due::link::ParseResponse(asked, frame);
    if (!response.ok()) continue;
    std::string out;
    due::link::Append(asked, frame.seq, *response, out);
    std::string_view rest = out;
    const auto again = due::link::Take(rest);
    if (!again.ok() || !again->has_value() || !rest.empty()) std::abort();
    const auto same = due::link::ParseResponse(asked, **again);
    if (!same.ok() || same->code != response->code) std::abort();
  }
  if (!request.ok()) return;
  (void)due::link::IsKnown(*request);
  std::string out;
  if (!due::link::Append(*request, frame.seq, out).ok()) return;
  std::string_view rest = out;
  const auto again = due::link::Take(rest);
  if (!again.ok() || !again->has_value() || !rest.empty()) std::abort();
  const auto* trigger = std::get_if<due::link::Trigger>(&*request);
  if (trigger != nullptr && trigger->uid == 0) return;  // its uid may be left out
  const auto* disconnect = std::get_if<due::link::Disconnect>(&*request);
  if (disconnect != nullptr && disconnect->force) return;  // any byte but zero says so
  if ((*again)->body != frame.body || (*again)->route != frame.route) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (true) {
    const size_t before = rest.size();
    if (due::link::CheckShortPublish(rest) == due::link::ShortPublish::kYes) {
      Check(due::link::TakeShortPublish(rest));
      continue;
    }
    const auto frame = due::link::Take(rest, kMost);
    if (!frame.ok() || !frame->has_value()) break;
    if (rest.size() >= before || before - rest.size() > kMost + 4) std::abort();
    if (!(*frame)->is_heartbeat) Check(**frame);
  }
  return 0;
}
