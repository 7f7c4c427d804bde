#include "micro/rpc/server_stream.h"

#include <utility>

#include "core/errors.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "micro/rpc/response.h"

namespace micro::rpc {
namespace {

absl::Status Gone() { return absl::CancelledError("the stream has ended"); }

// The headers that messages of a stream bear twice.
std::string Twins(const Metadata& metadata) {
  std::string twins;
  for (const std::string_view name : {headers::kService, headers::kMethod, headers::kEndpoint}) {
    const std::string twin = "X-" + std::string(name);
    const auto value = metadata.Get(name);
    if (!value.has_value() || metadata.Get(twin).has_value()) continue;
    twins.append(twin).append(": ").append(*value).append("\r\n");
  }
  return twins;
}

}  // namespace

ServerStream::ServerStream(Connection& connection, const ServedEndpoint& endpoint,
                           BodyFormat format, Incoming incoming)
    : connection_(&connection),
      loop_(connection.loop()),
      endpoint_(endpoint),
      format_(format),
      id_(incoming.stream),
      echo_(std::move(incoming.echo)),
      twins_(Twins(incoming.metadata)),
      content_type_(BareContentType(incoming.content_type)) {
  ctx_ = WithStopToken(ctx_, stop_.get_token());
  ctx_ = WithMetadata(ctx_, std::move(incoming.metadata));
  ctx_ = WithTimeout(ctx_, incoming.timeout);
  request_ = {.service = connection.state().service,
              .method = endpoint.endpoint.method,
              .content_type = content_type_,
              .body = std::nullopt};
}

ServerStream::~ServerStream() = default;

void ServerStream::Start() {
  SetDeadline();
  Run(shared_from_this());
}

// Who waits in the stream learns of the deadline here; a context's own end is its user's to watch.
void ServerStream::SetDeadline() {
  if (ctx_.deadline() == absl::InfiniteFuture()) return;
  deadline_ = Clock::Real().At(ctx_.deadline(), [weak = weak_from_this(), &loop = loop_] {
    loop.Post([weak] {
      if (const auto self = weak.lock())
        self->Break(absl::DeadlineExceededError("context deadline exceeded"));
    });
  });
}

internal::Detached ServerStream::Run(std::shared_ptr<ServerStream>) {
  absl::Status status;
  try {
    const RunningCallMark mark(*endpoint_.calls);
    status = co_await endpoint_.endpoint.handle(ctx_, request_, {.stream = this});
  } catch (...) {
    status = HandlerThrew(request_.service, request_.method.endpoint);
  }
  co_await loop_.Enter();
  Finish(status);
}

void ServerStream::Finish(const absl::Status& status) {
  if (deadline_ != 0) Clock::Real().Cancel(deadline_);
  Break(Gone());
  std::string text;
  AppendError(echo_, content_type_,
              status.ok() ? std::string(kEndOfStream)
                          : errors::ToJson(errors::FromStatus(status, request_.service)),
              /*body=*/"", text);
  const Connection::Ptr connection = std::exchange(connection_, nullptr);
  connection->Send(text);
  connection->EndStream(*this);
}

void ServerStream::Resume(std::coroutine_handle<>& waiter) {
  if (waiter) std::exchange(waiter, nullptr).resume();
}

bool ServerStream::IsFull() const {
  if (connection_ == nullptr) return false;
  const ServerLimits& limits = connection_->state().limits;
  return queue_.size() >= limits.queued_messages || queued_bytes_ >= limits.queued_bytes;
}

void ServerStream::Push(std::string_view body) {
  if (ended_ || !broken_.ok()) return;
  queue_.emplace_back(body);
  queued_bytes_ += body.size();
  Resume(receiver_);
}

void ServerStream::EndReceiving(std::string_view error) {
  if (ended_) return;
  ended_ = true;
  if (!error.empty()) ended_with_ = errors::ToStatus(errors::Parse(error));
  Resume(receiver_);
}

void ServerStream::Break(absl::Status status) {
  if (!broken_.ok()) return;
  const auto keep = shared_from_this();
  broken_ = std::move(status);
  Resume(receiver_);
  Resume(sender_);
}

void ServerStream::Abort(absl::Status status) {
  const auto keep = shared_from_this();
  Break(std::move(status));
  stop_.request_stop();
}

void ServerStream::WakeSender() { Resume(sender_); }

Task<absl::Status> ServerStream::Send(codec::ConstBody message) {
  co_await loop_.Enter();
  while (broken_.ok() && connection_->IsFull()) co_await Wait(sender_);
  if (!broken_.ok()) co_return broken_;
  std::string body;
  CO_RETURN_IF_ERROR(format_.Append(message, connection_->state().max_send, body));
  std::string text;
  AppendResponse(echo_ + twins_, content_type_, body, text);
  connection_->Send(text);
  co_return absl::OkStatus();
}

Task<absl::StatusOr<bool>> ServerStream::Recv(codec::Body message) {
  co_await loop_.Enter();
  while (queue_.empty() && !ended_ && broken_.ok()) co_await Wait(receiver_);
  if (!queue_.empty()) {
    const bool was_full = IsFull();
    const std::string body = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= body.size();
    if (was_full && !IsFull()) connection_->ReadOn();
    const absl::Status read = format_.Read(body, message);
    if (!read.ok()) co_return errors::BadRequest(request_.service, ToStd(read.message()));
    co_return true;
  }
  if (ended_ && ended_with_.ok()) co_return false;
  co_return ended_ ? ended_with_ : broken_;
}

Task<absl::Status> ServerStream::CloseSend() {
  co_return absl::UnimplementedError("a server ends its messages by the end of its handler");
}

void ServerStream::Cancel() {
  loop_.Post([self = shared_from_this()] {
    self->Abort(absl::CancelledError("the handler has cancelled the stream"));
  });
}

}  // namespace micro::rpc
