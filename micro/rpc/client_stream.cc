#include "micro/rpc/client_stream.h"

#include <google/protobuf/empty.pb.h>

#include <coroutine>
#include <optional>
#include <utility>

#include "core/clock.h"
#include "core/errors.h"
#include "core/net/context_watch.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "micro/rpc/client_error.h"
#include "micro/wire.h"

namespace micro::rpc {
namespace {

constexpr std::string_view kGreeting = "HTTP/1.";
constexpr std::string_view kEndOfStream = "EOS";
constexpr size_t kLeastSpace = 4 << 10;                 // that a read is given
constexpr size_t kKeptBuffer = 64 << 10;                // a larger one is freed after use
constexpr absl::Duration kFarewell = absl::Seconds(1);  // that our end message may take

absl::Status Gone() {
  return absl::CancelledError("the call has ended; its error comes with Recv");
}

// The call. It is used in its loop alone (Send and Recv enter it), and lives as long as the
// caller's handle or something that is under way.
class StreamCall final : public std::enable_shared_from_this<StreamCall> {
 public:
  StreamCall(std::shared_ptr<LoopClient> client, const Context& ctx, const std::string& address,
             BodyFormat format)
      : client_(std::move(client)),
        ctx_(ctx),
        address_(address),
        format_(format),
        reader_(HttpReader::kResponses, client_->settings()->limits) {}

  // In the loop.
  Task<absl::Status> Open(const RequestHeader& header) {
    const absl::Status written = AppendHeaders(header, ctx_.metadata(), &headers_);
    if (!written.ok()) co_return Refused(written);
    if (const absl::Status ended = ctx_.status(); !ended.ok()) co_return Ended(ended);
    watch_.emplace(client_->loop(), client_->deadlines(), ctx_,
                   [this](const absl::Status& why) { End(Ended(why)); });
    co_await Dial{*this};
    if (end_.has_value()) co_return EndError();
    Read();
    co_await SendOpening();
    co_return absl::OkStatus();
  }

  Task<absl::Status> Send(codec::ConstBody message) {
    co_await client_->loop().Enter();
    co_return co_await SendMessage(message);
  }

  Task<absl::StatusOr<bool>> Recv(codec::Body message) {
    co_await client_->loop().Enter();
    co_await Arrival{*this};
    if (end_.has_value()) {
      if (end_->ok()) co_return false;
      co_return EndError();
    }
    const absl::Status read = format_.Read(std::exchange(held_, nullptr)->body, message);
    if (!read.ok()) {
      End(Unreadable(read));
      co_return EndError();
    }
    Advance();
    co_return true;
  }

  // Ends the call with a message that says so, if that can go out: behind a message that is stuck
  // it cannot.
  void Leave() {
    if (end_.has_value()) return;
    if (!writing_) SayEnd();
    End(Ended(absl::CancelledError("the stream was cancelled")));
  }

  net::Loop& loop() { return client_->loop(); }

 private:
  // co_await Dial{call}: there is a socket, or an end.
  struct Dial {
    StreamCall& call;
    bool await_ready() { return false; }
    void await_suspend(std::coroutine_handle<> waiter) {
      call.waiter_ = waiter;
      const ClientSettings& settings = *call.client_->settings();
      net::Connect(call.client_->loop(), call.address_, settings.tls, settings.dial_timeout,
                   [self = call.shared_from_this()](auto socket) {
                     if (self->end_.has_value()) return;
                     if (!socket.ok())
                       return self->End(NotConnected(self->address_, socket.status()));
                     self->socket_ = *std::move(socket);
                     self->Wake();
                   });
    }
    void await_resume() {}
  };

  // co_await Arrival{call}: there is a message, or an end.
  struct Arrival {
    StreamCall& call;
    bool await_ready() { return call.held_ != nullptr || call.end_.has_value(); }
    void await_suspend(std::coroutine_handle<> waiter) { call.waiter_ = waiter; }
    void await_resume() {}
  };

  // co_await Writing{call, bytes}: whether all of them went out.
  struct Writing {
    StreamCall& call;
    std::string_view bytes;
    bool ok = true;
    bool await_ready() {
      bytes.remove_prefix(call.socket_->TryWrite(bytes));
      return bytes.empty();
    }
    void await_suspend(std::coroutine_handle<> waiter) {
      call.writing_ = true;
      call.socket_->Write(
          bytes, [this, self = call.shared_from_this(), waiter](const absl::Status& status) {
            self->writing_ = false;
            ok = status.ok();
            waiter.resume();
          });
    }
    bool await_resume() { return ok; }
  };

  // go-micro's opening: a message without fields, which its servers throw away (but for gRPC's
  // frames, where they hand it to the handler). What goes wrong with it, Recv tells.
  Task<void> SendOpening() {
    const absl::Status sent = co_await SendMessage(google::protobuf::Empty::default_instance());
    if (!absl::IsInvalidArgument(sent)) co_return;
    const codec::Frame nothing;  // for a codec that knows no messages
    (void)co_await SendMessage(nothing);
  }

  Task<absl::Status> SendMessage(codec::ConstBody message) {
    if (end_.has_value()) co_return Gone();
    text_.Begin(address_);
    text_.bytes().append(headers_);
    text_.EndHeaders();
    const absl::Status written =
        format_.Append(message, client_->settings()->max_send, text_.bytes());
    if (!written.ok()) co_return Refused(written);
    const bool sent = co_await Writing{*this, text_.Finish(ctx_.remaining())};
    if (text_.bytes().capacity() > kKeptBuffer) text_ = RequestText();
    if (sent) co_return absl::OkStatus();
    co_return Gone();
  }

  void Wake() {
    if (waiter_) std::exchange(waiter_, nullptr).resume();
  }

  void Read() {
    space_ = reader_.Space(kLeastSpace);
    socket_->Read(space_, reader_.SpaceLeft(),
                  [self = shared_from_this()](const absl::Status& status, size_t count) {
                    if (!self->end_.has_value()) self->OnRead(status, count);
                  });
  }

  void OnRead(const absl::Status& status, size_t count) {
    if (absl::IsOutOfRange(status))
      return End(Lost(address_, "it closed the connection before the end of the stream"));
    if (!status.ok()) return End(Lost(address_, ToStd(status.message())));
    const std::string_view bytes(space_, count);
    const std::string_view due = kGreeting.substr(greeting_, count);
    if (!bytes.starts_with(due)) return End(NotHttp(address_, bytes, /*never_has=*/true));
    greeting_ += due.size();
    reader_.Commit(count);
    Advance();
  }

  // Holds the next message, one at a time: nothing more is read before it was taken.
  void Advance() {
    const absl::StatusOr<const HttpMessage*> message = reader_.Next();
    if (!message.ok()) return End(BadAnswer(address_, message.status()));
    if (*message == nullptr) return Read();
    if (ErrorText(**message) == kEndOfStream) return End(absl::OkStatus());
    if (absl::Status error = ErrorIn(**message, address_); !error.ok()) return End(error);
    held_ = *message;
    Wake();
  }

  // Made anew: copies of one status share a count, and the caller's thread is another (tsan does not
  // see into Debian's absl, and would report it).
  absl::Status EndError() const {
    absl::Status error = errors::ToStatus(errors::FromStatus(*end_), end_->code());
    return IsUnsent(*end_) ? MarkUnsent(std::move(error)) : error;
  }

  // The call is over; OK: the server ended it well.
  void End(absl::Status status) {
    if (end_.has_value()) return;
    end_ = std::move(status);
    held_ = nullptr;
    watch_.reset();
    if (socket_ != nullptr && !leaving_) socket_->Close();
    Wake();
  }

  void SayEnd() {
    text_.Begin(address_);
    text_.bytes().append(headers_).append(kEndHeader);
    text_.EndHeaders();
    std::string_view bytes = text_.Finish(ctx_.remaining());
    bytes.remove_prefix(socket_->TryWrite(bytes));
    if (bytes.empty()) return;
    leaving_ = true;
    socket_->Write(bytes, [self = shared_from_this()](const absl::Status&) {
      self->farewell_.Clear();
      self->socket_->Close();
    });
    farewell_.Set(client_->deadlines(), Clock::Real().Now() + kFarewell,
                  [this] { socket_->Close(); });
  }

  const std::shared_ptr<LoopClient> client_;
  const Context ctx_;
  const std::string address_;
  const BodyFormat format_;
  std::string headers_;  // of every message
  std::unique_ptr<net::Socket> socket_;
  std::optional<net::ContextWatch> watch_;
  net::Deadline farewell_;
  RequestText text_;  // that is being sent
  HttpReader reader_;
  char* space_ = nullptr;              // that is being read into
  const HttpMessage* held_ = nullptr;  // has come and was not taken
  std::coroutine_handle<> waiter_;     // for a connection, then for a message
  std::optional<absl::Status> end_;
  size_t greeting_ = 0;  // how much of "HTTP/1." the server has said
  bool writing_ = false;
  bool leaving_ = false;  // our end message is on its way
};

// The caller's handle on a StreamCall.
class StreamHandle final : public RawStream {
 public:
  explicit StreamHandle(std::shared_ptr<StreamCall> call) : call_(std::move(call)) {}
  ~StreamHandle() override {
    net::Loop& loop = call_->loop();
    loop.Post([call = std::move(call_)] { call->Leave(); });  // it ends in the loop
  }
  Task<absl::Status> Send(codec::ConstBody message) override { return call_->Send(message); }
  Task<absl::StatusOr<bool>> Recv(codec::Body message) override { return call_->Recv(message); }
  Task<absl::Status> CloseSend() override {
    co_return absl::UnimplementedError(
        "HTTP RPC has no half-close: let a message say that it is the last");
  }
  void Cancel() override {
    call_->loop().Post([call = call_] { call->Leave(); });
  }

 private:
  std::shared_ptr<StreamCall> call_;
};

}  // namespace

Task<absl::StatusOr<std::unique_ptr<RawStream>>> OpenStream(std::shared_ptr<LoopClient> client,
                                                            const Context& ctx,
                                                            const std::string& address,
                                                            RequestHeader header,
                                                            BodyFormat format) {
  co_await client->loop().Enter();
  auto call = std::make_shared<StreamCall>(std::move(client), ctx, address, format);
  CO_RETURN_IF_ERROR(co_await call->Open(header));
  co_return std::make_unique<StreamHandle>(std::move(call));
}

}  // namespace micro::rpc
