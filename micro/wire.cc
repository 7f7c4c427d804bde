#include "micro/wire.h"

#include "absl/strings/cord.h"

namespace micro {
namespace {
constexpr absl::string_view kUnsentUrl = "micro-cpp/unsent";
}

absl::Status MarkUnsent(absl::Status status) {
  status.SetPayload(kUnsentUrl, absl::Cord("1"));
  return status;
}

bool IsUnsent(const absl::Status& status) { return status.GetPayload(kUnsentUrl).has_value(); }

}  // namespace micro
