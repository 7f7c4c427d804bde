#include "core/grpc/bidi_call.h"

namespace micro {

void GrpcBidiCall::Start(const Context& ctx, grpc::GenericStub& stub, const std::string& path) {
  self_ = shared_from_this();
  stub.PrepareBidiStreamingCall(&context_, path, {}, this);
  link_.emplace(ctx, context_);
  AddHold();  // operations may start until it is given back (holds_)
  TsanRelease(this);
  StartCall();
}

void GrpcBidiCall::OnReadInitialMetadataDone(bool ok) {
  TsanAcquire(this);
  std::coroutine_handle<> waiter;
  {
    MutexLock lock(mutex_);
    header_came_ = ok;
    waiter = std::exchange(header_waiter_, nullptr);
  }
  if (waiter) waiter.resume();
}

bool GrpcBidiCall::AwaitHeader(std::coroutine_handle<> waiter) {
  MutexLock lock(mutex_);
  if (header_came_.has_value()) return false;
  header_waiter_ = waiter;
  return true;
}

bool GrpcBidiCall::header_came() {
  MutexLock lock(mutex_);
  return *header_came_;
}

void GrpcBidiCall::OnDone(const grpc::Status& status) {
  TsanAcquire(this);
  std::coroutine_handle<> waiter;
  const std::shared_ptr<GrpcBidiCall> self = std::move(self_);
  {
    MutexLock lock(mutex_);
    ended_ = status;
    waiter = std::exchange(end_waiter_, nullptr);
  }
  if (waiter) waiter.resume();
}

void GrpcBidiCall::Resume(Operation& operation, bool ok) {
  TsanAcquire(this);
  operation.ok = ok;
  std::exchange(operation.waiter, nullptr).resume();
}

bool GrpcBidiCall::AwaitEnd(std::coroutine_handle<> waiter) {
  MutexLock lock(mutex_);
  if (ended_.has_value()) return false;
  end_waiter_ = waiter;
  return true;
}

grpc::Status GrpcBidiCall::status() {
  MutexLock lock(mutex_);
  return *ended_;
}

bool GrpcBidiCall::TryHold() {
  int holds = holds_.load();
  while (holds > 0 && !holds_.compare_exchange_weak(holds, holds + 1)) {
  }
  return holds > 0;
}

void GrpcBidiCall::DropHold() {
  if (holds_.fetch_sub(1) == 1) RemoveHold();
}

void GrpcBidiCall::Detach() {
  if (!detached_.exchange(true)) DropHold();
}

}  // namespace micro
