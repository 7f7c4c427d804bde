// Internal.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "core/errors.h"
#include "micro/stream.h"
#include "selector/selector.h"

namespace micro {

// A stream that reports its end to the selector.
class PickedStream final : public RawStream {
 public:
  PickedStream(std::unique_ptr<RawStream> raw, std::optional<selector::Pick> pick)
      : raw_(std::move(raw)), pick_(std::move(pick)) {}

  Task<absl::Status> Send(codec::ConstBody message) override { return raw_->Send(message); }
  Task<absl::StatusOr<bool>> Recv(codec::Body message) override {
    absl::StatusOr<bool> more = co_await raw_->Recv(message);
    if (pick_.has_value() && (!more.ok() || !*more))
      pick_->Done(more.status(), IsUnsent(more.status()));
    co_return more;
  }
  Task<absl::Status> CloseSend() override { return raw_->CloseSend(); }
  void Cancel() override { raw_->Cancel(); }
  Task<Metadata> Header() override { return raw_->Header(); }
  Metadata Trailer() override { return raw_->Trailer(); }

 private:
  const std::unique_ptr<RawStream> raw_;
  std::optional<selector::Pick> pick_;
};

}  // namespace micro
