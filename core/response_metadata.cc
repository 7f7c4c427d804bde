#include "core/response_metadata.h"

#include <memory>
#include <string>

namespace micro {
namespace {

absl::Status CheckResponseHeader(std::string_view key, std::string_view value) {
  if (!IsForwarded(key) && !key.empty()) {
    return absl::InvalidArgumentError("metadata \"" + std::string(key) +
                                      "\" is the wire's own: it cannot be set");
  }
  return CheckHeader(key, value);
}

}  // namespace

absl::Status SetHeader(const Context& ctx, std::string_view key, std::string_view value) {
  if (ctx.response_metadata() == nullptr) return CheckResponseHeader(key, value);
  return ctx.response_metadata()->SetHeader(key, value);
}

absl::Status SetTrailer(const Context& ctx, std::string_view key, std::string_view value) {
  if (ctx.response_metadata() == nullptr) return CheckResponseHeader(key, value);
  return ctx.response_metadata()->SetTrailer(key, value);
}

absl::Status ResponseMetadata::SetHeader(std::string_view key, std::string_view value) {
  if (absl::Status status = CheckResponseHeader(key, value); !status.ok()) return status;
  MutexLock lock(mutex_);
  if (header_gone_) {
    return absl::FailedPreconditionError("header \"" + std::string(key) +
                                         "\" is set too late: the header has been sent");
  }
  header_.Set(key, value);
  return absl::OkStatus();
}

absl::Status ResponseMetadata::SetTrailer(std::string_view key, std::string_view value) {
  if (absl::Status status = CheckResponseHeader(key, value); !status.ok()) return status;
  MutexLock lock(mutex_);
  if (ended_) {
    return absl::FailedPreconditionError("trailer \"" + std::string(key) +
                                         "\" is set too late: the call has ended");
  }
  trailer_.Set(key, value);
  return absl::OkStatus();
}

Metadata ResponseMetadata::TakeHeader() {
  MutexLock lock(mutex_);
  header_gone_ = true;
  return std::exchange(header_, {});
}

std::pair<Metadata, Metadata> ResponseMetadata::TakeRest() {
  MutexLock lock(mutex_);
  header_gone_ = ended_ = true;
  return {std::exchange(header_, {}), std::exchange(trailer_, {})};
}

Context WithIncomingCall(const Context& parent, Metadata metadata) {
  struct Call {  // one allocation for both
    explicit Call(Metadata came_with) : metadata(std::move(came_with)) {}
    const Metadata metadata;
    ResponseMetadata response;
  };
  const auto call = std::make_shared<Call>(std::move(metadata));
  Context context = parent;
  context.metadata_ = {call, &call->metadata};
  context.response_ = {call, &call->response};
  return context;
}

}  // namespace micro
