// Streams: RawStream is what a wire implements; the typed ones are what handlers and callers use.
//
//   micro::Task<absl::Status> Chat(const Context& ctx, micro::Stream<ChatMessage, ChatMessage>& stream) override {
//     while (true) {
//       CO_ASSIGN_OR_RETURN(std::optional<ChatMessage> said, co_await stream.Recv());
//       if (!said.has_value()) co_return absl::OkStatus();        // the caller half-closed
//       CO_RETURN_IF_ERROR(co_await stream.Send(*said));
//     }
//   }
//
// One coroutine may send while another receives; two may not send, or receive, at once. Mirrors
// go-micro's Stream.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "codec/codec.h"
#include "core/metadata.h"
#include "core/task.h"

namespace micro {

class RawStream {
 public:
  // A client's stream that has not ended is cancelled by its destructor.
  virtual ~RawStream() = default;

  // Sends one message; resumes when the wire has taken it, so that a slow receiver slows the
  // sender. `message` is lent until then. CANCELLED: the call has ended; on a client, Recv tells
  // how.
  virtual Task<absl::Status> Send(codec::ConstBody message) = 0;

  // Receives one message. False: the other side has ended its messages, and, on a client, the call
  // ended well. A client gets the call's error here.
  virtual Task<absl::StatusOr<bool>> Recv(codec::Body message) = 0;

  // Server: sends the header now (SetHeader of core/response_metadata.h), which else goes with the
  // first message. FAILED_PRECONDITION: it has gone. Nothing on a wire that carries none.
  virtual Task<absl::Status> SendHeader() { co_return absl::OkStatus(); }

  // Client: what the handler has set as header; waits for it. Empty: it set none, the wire carries
  // none, or the call ended before, which Recv tells.
  virtual Task<Metadata> Header() { co_return Metadata(); }

  // Client: what the handler has set as trailer; empty until Recv has told the end of the call.
  virtual Metadata Trailer() { return {}; }

  // Client: no more messages will be sent. UNIMPLEMENTED on a wire without half-close, and on a
  // server.
  virtual Task<absl::Status> CloseSend() = 0;

  // Ends the call at once; a waiting Send or Recv answers CANCELLED. From any thread.
  virtual void Cancel() = 0;
};

// ---- A handler's side: the stream is lent to the handler for its call. ----

// Sends the responses of a server-streaming method.
template <class Response>
class SendStream {
 public:
  explicit SendStream(RawStream& raw) : raw_(raw) {}
  Task<absl::Status> Send(const Response& response) { return raw_.Send(response); }

  // Sends what SetHeader has set now, in place of with the first response.
  Task<absl::Status> SendHeader() { return raw_.SendHeader(); }

 private:
  RawStream& raw_;
};

// Receives the requests of a client-streaming method.
template <class Request>
class RecvStream {
 public:
  explicit RecvStream(RawStream& raw) : raw_(raw) {}

  // The next request; none when the caller has half-closed.
  Task<absl::StatusOr<std::optional<Request>>> Recv() {
    std::optional<Request> request(std::in_place);
    const absl::StatusOr<bool> more = co_await raw_.Recv(*request);
    if (!more.ok()) co_return more.status();
    if (!*more) request.reset();
    co_return std::move(request);
  }

  // Sends what SetHeader has set now, in place of with the response.
  Task<absl::Status> SendHeader() { return raw_.SendHeader(); }

 private:
  RawStream& raw_;
};

// Both at once: a bidirectional method.
template <class Request, class Response>
class Stream : public RecvStream<Request>, public SendStream<Response> {
 public:
  explicit Stream(RawStream& raw) : RecvStream<Request>(raw), SendStream<Response>(raw) {}
  using SendStream<Response>::SendHeader;
};

// ---- A caller's side: the stream is owned by the caller; destroying it cancels what has not ended. ----

// The responses of a server-streaming call.
template <class Response>
class ClientRecvStream {
 public:
  explicit ClientRecvStream(std::unique_ptr<RawStream> raw) : raw_(std::move(raw)) {}

  // The next response; none when the call ended well; its error otherwise.
  Task<absl::StatusOr<std::optional<Response>>> Recv() {
    std::optional<Response> response(std::in_place);
    const absl::StatusOr<bool> more = co_await raw_->Recv(*response);
    if (!more.ok()) co_return more.status();
    if (!*more) response.reset();
    co_return std::move(response);
  }

  // What the handler has set as header; waits for it. Recv tells how a call went that ended before.
  Task<Metadata> Header() { return raw_->Header(); }

  // What it has set as trailer; empty until Recv has told the end.
  Metadata Trailer() { return raw_->Trailer(); }

  void Cancel() { raw_->Cancel(); }

 protected:
  std::unique_ptr<RawStream> raw_;
};

// A client-streaming call: requests, then one response.
template <class Request, class Response>
class ClientSendStream {
 public:
  explicit ClientSendStream(std::unique_ptr<RawStream> raw) : raw_(std::move(raw)) {}

  // CANCELLED: the call has ended already; CloseAndRecv tells how.
  Task<absl::Status> Send(const Request& request) { return raw_->Send(request); }

  // Half-closes, where the wire can, and waits for the response and the end of the call.
  Task<absl::StatusOr<Response>> CloseAndRecv() {
    absl::Status closed = co_await raw_->CloseSend();
    if (!closed.ok() && !absl::IsUnimplemented(closed)) co_return closed;
    Response response;
    absl::StatusOr<bool> more = co_await raw_->Recv(response);
    if (!more.ok()) co_return more.status();
    if (!*more) co_return absl::InternalError("the call ended without a response");
    Response none;  // the status comes behind the response
    more = co_await raw_->Recv(none);
    if (!more.ok()) co_return more.status();
    if (*more) co_return absl::InternalError("the call answered with more than one response");
    co_return std::move(response);
  }

  // What the handler has set as header; waits for it. CloseAndRecv tells how a call went that ended
  // before.
  Task<Metadata> Header() { return raw_->Header(); }

  // What it has set as trailer; empty until CloseAndRecv has answered.
  Metadata Trailer() { return raw_->Trailer(); }

  void Cancel() { raw_->Cancel(); }

 private:
  std::unique_ptr<RawStream> raw_;
};

// A bidirectional call.
template <class Request, class Response>
class ClientStream : public ClientRecvStream<Response> {
 public:
  using ClientRecvStream<Response>::ClientRecvStream;
  Task<absl::Status> Send(const Request& request) { return this->raw_->Send(request); }

  // No more requests; responses still come.
  Task<absl::Status> CloseSend() { return this->raw_->CloseSend(); }
};

}  // namespace micro
