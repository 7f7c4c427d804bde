#include "micro/call_error.h"

#include <fmt/format.h>

#include <utility>

#include "core/errors.h"
#include "micro/wire.h"

namespace micro {
namespace {

// `failure` with another text.
absl::Status Retold(const absl::Status& failure, errors::Error error) {
  absl::Status told = errors::ToStatus(std::move(error), failure.code());
  failure.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    if (!told.GetPayload(url).has_value()) told.SetPayload(url, payload);
  });
  return told;
}

}  // namespace

absl::Status ClientError(std::string detail, absl::StatusCode code, int micro_code) {
  return errors::ToStatus({.id = std::string(errors::kClientId),
                           .code = micro_code,
                           .detail = std::move(detail),
                           .status = ""},
                          code);
}

absl::Status TimedOut(const absl::Status& ended) {
  return ClientError(fmt::format("call timeout: {}", std::string(ended.message())), ended.code(),
                     408);
}

absl::Status NotTriedAgain(const absl::Status& failure, std::string_view service) {
  errors::Error error = errors::FromStatus(failure);
  error.detail += fmt::format(
      " (not tried again: the retry budget of service {} is spent, flag --client_retry_budget)",
      service);
  return Retold(failure, std::move(error));
}

bool MayBeForLackOfNodes(const absl::Status& failure) {
  return (IsUnsent(failure) || selector::Health::IsFailure(failure)) &&
         errors::FromStatus(failure).id.starts_with(errors::kClientId);
}

absl::Status WithPlight(const absl::Status& failure, std::string_view service,
                        const selector::Plight& plight) {
  if (plight.ejected.empty() && plight.age.empty()) return failure;
  errors::Error error = errors::FromStatus(failure);
  if (!plight.ejected.empty())
    error.detail = fmt::format("service {}: {}: {}", service, plight.ejected, error.detail);
  if (!plight.age.empty()) error.detail += fmt::format(" ({})", plight.age);
  return Retold(failure, std::move(error));
}

}  // namespace micro
