#include "micro/wire.h"

#include <exception>
#include <string>

#include "absl/strings/cord.h"
#include "core/errors.h"
#include "core/log.h"

namespace micro {
namespace {
constexpr absl::string_view kUnsentUrl = "micro-cpp/unsent";

absl::Status Threw(std::string_view service, std::string_view endpoint, const char* what) {
  log::Error("a handler threw", {{"endpoint", endpoint}, {"what", what}});
  return errors::InternalServerError(service, "handler %s threw: %s", std::string(endpoint), what);
}

}  // namespace

Task<void> ClientWire::Warm(const Context&, const registry::Node&) { co_return; }

absl::Status HandlerThrew(std::string_view service, std::string_view endpoint) {
  try {
    throw;
  } catch (const std::exception& exception) {
    return Threw(service, endpoint, exception.what());
  } catch (...) {
    return Threw(service, endpoint, "an object that is no std::exception");
  }
}

absl::Status MarkUnsent(absl::Status status) {
  status.SetPayload(kUnsentUrl, absl::Cord("1"));
  return status;
}

bool IsUnsent(const absl::Status& status) { return status.GetPayload(kUnsentUrl).has_value(); }

}  // namespace micro
