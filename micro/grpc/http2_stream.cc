#include "micro/grpc/http2_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "core/async.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "micro/grpc/client_call.h"
#include "micro/grpc/frames.h"
#include "micro/grpc/headers.h"
#include "micro/wire.h"

namespace micro::grpc_wire {
namespace {

constexpr size_t kMaxUnsent = 64 << 10;  // of a stream, before Send waits
// Of an answer, trailers too; far below where nghttp2 gives up the whole connection.
constexpr size_t kMaxHeaderBytes = 16 << 10;

// For an answer that is not gRPC's: the public table of HTTP statuses.
grpc::StatusCode CodeOfHttp(int status) {
  switch (status) {
    case 400:
      return grpc::StatusCode::INTERNAL;
    case 401:
      return grpc::StatusCode::UNAUTHENTICATED;
    case 403:
      return grpc::StatusCode::PERMISSION_DENIED;
    case 404:
      return grpc::StatusCode::UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
      return grpc::StatusCode::UNAVAILABLE;
    default:
      return grpc::StatusCode::UNKNOWN;
  }
}

absl::StatusOr<Http2Session::Headers> CallHeaders(const Context& ctx, const registry::Node& node,
                                                  const Request& request, const codec::Codec& codec,
                                                  bool tls) {
  Http2Session::Headers headers = {
      {":method", "POST"},
      {":scheme", tls ? "https" : "http"},
      {":path", PathOf(request)},
      {":authority", node.address},
      {"te", "trailers"},
      {"content-type", fmt::format("application/grpc+{}", codec.name())},
      {"user-agent", "micro-cpp"},
  };
  if (const absl::Duration left = ctx.remaining(); left != absl::InfiniteDuration())
    headers.emplace_back("grpc-timeout", TimeoutText(left));
  RETURN_IF_ERROR(
      WriteHeaders(ctx.metadata(), request.content_type, [&](std::string key, std::string value) {
        if (key.ends_with("-bin")) {
          value = absl::Base64Escape(value);
          while (value.ends_with('=')) value.pop_back();
        }
        headers.emplace_back(std::move(key), std::move(value));
      }));
  return headers;
}

// One call. Its events come on the loop; what they bring is handed to the caller's coroutine, which
// goes on outside of the session.
class Http2Call final : public Http2Events, public std::enable_shared_from_this<Http2Call> {
 public:
  Http2Call(const Context& ctx, registry::Node node, net::Loop& loop, int max_receive)
      : ctx_(ctx), node_(std::move(node)), loop_(loop), frames_(max_receive) {}

  // On the loop.
  absl::Status Open(std::shared_ptr<Http2Session> session, const Http2Session::Headers& headers) {
    ASSIGN_OR_RETURN(id_, session->Open(headers, shared_from_this()));
    session_ = std::move(session);
    return absl::OkStatus();
  }

  // Ends the call when its context does.
  void Watch() {
    watch_.emplace(ctx_, [weak = weak_from_this()](absl::Status why) {
      if (const auto self = weak.lock()) self->End(Error(*self, why));
    });
  }
  void Unwatch() { watch_.reset(); }

  Task<absl::Status> Send(std::string framed, bool end) {
    co_await loop_.Enter();
    if (over_) co_return absl::CancelledError("the call has ended; its error comes with Recv");
    session_->Write(id_, framed, end);
    if (session_->Unsent(id_) <= kMaxUnsent) co_return absl::OkStatus();
    drained_ = std::make_shared<OneShot<bool>>();
    const auto drained = co_await Await(ctx_, drained_);
    co_return drained.status();
  }

  // The next message; none at the end of a call that went well.
  Task<absl::StatusOr<std::optional<std::string>>> Receive() {
    absl::StatusOr<Message> message = co_await messages_.Pop(Context());
    if (!message.ok()) {
      if (ended_well_.load()) co_return std::nullopt;
      co_return message.status();
    }
    loop_.Post([self = shared_from_this(), bytes = message->unconsumed] {
      if (!self->over_) self->session_->Consume(self->id_, bytes);
    });
    co_return std::move(message->bytes);
  }

  // The header; empty where the call ended without one.
  Task<Metadata> Header() {
    const absl::StatusOr<bool> came = co_await header_came_.Wait();
    co_return came.ok() && *came ? header_ : Metadata();
  }

  // The trailer, when Receive has told the end.
  Metadata Trailer() const { return trailer_came_ ? trailer_ : Metadata(); }

  // Ends the call at once; a waiting Receive answers `why`. From any thread.
  void End(absl::Status why) {
    messages_.Close(std::move(why));
    loop_.Post([self = shared_from_this()] {
      if (std::exchange(self->over_, true)) return;
      self->session_->Reset(self->id_);
      self->header_came_.TrySet(false);
      if (self->drained_ != nullptr) self->drained_->TrySet(false);
    });
  }

  void OnHeader(std::string_view name, std::string_view value) override {
    header_bytes_ += name.size() + value.size();
    if (header_bytes_ > kMaxHeaderBytes) {
      return End(Error(*this, absl::ResourceExhaustedError("the answer's headers are too large")));
    }
    const auto number = [&](int* into) {
      std::from_chars(value.data(), value.data() + value.size(), *into);
    };
    if (name == ":status") number(&http_status_);
    if (name == "grpc-status") number(&code_);
    if (name == "grpc-message") message_ = PercentDecoded(value);
    if (name == "content-type") content_type_ = value;
    if (name == "grpc-status-details-bin") absl::Base64Unescape(ToAbsl(value), &details_);
    if (IsForwarded(name)) AddMetadata(name, value);
  }

  void OnHeadersEnd() override {
    Metadata block = std::exchange(block_, {});
    if (over_ || http_status_ / 100 == 1) return;
    if (code_ >= 0) {  // only the last block has it
      trailer_ = std::move(block);
      return;
    }
    header_ = std::move(block);
    loop_.Post([self = shared_from_this()] { self->header_came_.TrySet(true); });
  }

  void OnData(std::string_view bytes) override {
    if (over_) return;
    // More of a message that is not whole may always come: its size is bounded. Whole ones hold the
    // session's window until they are received.
    size_t held = 0;
    const absl::Status status = frames_.Take(bytes, [&](std::string message) {
      const size_t window = std::min(message.size(), bytes.size() - held);
      held += window;
      loop_.Post(
          [self = shared_from_this(), message = Message{std::move(message), window}]() mutable {
            self->messages_.Push(std::move(message));
          });
    });
    if (!status.ok()) return End(Error(*this, status));
    session_->Consume(id_, bytes.size() - held);
  }

  void OnDrained() override {
    if (drained_ != nullptr) drained_->TrySet(true);
  }

  void OnEnd(absl::Status status) override {
    // After the messages that were posted.
    loop_.Post([self = shared_from_this(), status = std::move(status)] {
      if (std::exchange(self->over_, true)) return;
      absl::Status end = self->EndOf(status);
      self->header_came_.TrySet(false);
      self->trailer_came_ = true;
      self->ended_well_ = end.ok();
      self->messages_.Close(std::move(end));
      if (self->drained_ != nullptr) self->drained_->TrySet(false);
    });
  }

 private:
  struct Message {
    std::string bytes;
    size_t unconsumed = 0;  // of the session's window
  };

  // Binary values come in base64, several of one key with commas between.
  void AddMetadata(std::string_view name, std::string_view value) {
    if (!name.ends_with("-bin")) return block_.Append(name, value);
    std::string bytes;
    for (const std::string& part : SplitList(value)) {
      if (absl::Base64Unescape(part, &bytes)) block_.Append(name, bytes);
    }
  }

  static absl::Status Error(const Http2Call& call, const absl::Status& why) {
    return ErrorOf(
        grpc::Status(static_cast<grpc::StatusCode>(why.code()), std::string(why.message())),
        call.ctx_, call.node_);
  }

  absl::Status EndOf(const absl::Status& status) const {
    if (!status.ok()) {
      absl::Status error = Error(*this, status);
      return IsUnsent(status) ? MarkUnsent(std::move(error)) : error;
    }
    if (code_ >= 0) {
      if (code_ == 0) return absl::OkStatus();
      return ErrorOf(grpc::Status(static_cast<grpc::StatusCode>(code_), message_, details_), ctx_,
                     node_);
    }
    const bool grpc = content_type_.starts_with("application/grpc");
    return ErrorOf(grpc::Status(grpc ? grpc::StatusCode::INTERNAL : CodeOfHttp(http_status_),
                                fmt::format("node {} answered without grpc-status: HTTP status {}, "
                                            "content-type \"{}\"",
                                            node_.address, http_status_, content_type_)),
                   ctx_, node_);
  }

  const Context ctx_;
  const registry::Node node_;
  net::Loop& loop_;
  // On the loop.
  std::shared_ptr<Http2Session> session_;
  int32_t id_ = 0;
  bool over_ = false;
  FrameReader frames_;
  size_t header_bytes_ = 0;
  int http_status_ = 0, code_ = -1;
  std::string message_, details_, content_type_;
  Metadata block_, header_, trailer_;
  std::shared_ptr<OneShot<bool>> drained_;
  // Of any thread.
  OneShot<bool> header_came_;
  std::atomic<bool> trailer_came_ = false;
  Queue<Message> messages_{SIZE_MAX};  // bounded by the stream's window
  std::atomic<bool> ended_well_ = false;
  using EndFunction = std::function<void(absl::Status)>;
  std::optional<ContextEnd<EndFunction>> watch_;
};

// The caller's handle on a call.
class Http2RawStream final : public RawStream {
 public:
  Http2RawStream(std::shared_ptr<Http2Call> call, const codec::Codec& codec, int max_send)
      : call_(std::move(call)), codec_(codec), max_send_(max_send) {
    call_->Watch();
  }
  ~Http2RawStream() override {
    call_->Unwatch();
    Cancel();
  }

  Task<absl::Status> Send(codec::ConstBody message) override {
    CO_ASSIGN_OR_RETURN(std::string framed, Framed(codec_, message, max_send_));
    co_return co_await call_->Send(std::move(framed), false);
  }

  Task<absl::StatusOr<bool>> Recv(codec::Body message) override {
    CO_ASSIGN_OR_RETURN(const std::optional<std::string> bytes, co_await call_->Receive());
    if (!bytes.has_value()) co_return false;
    const absl::Status status = codec_.UnmarshalFromString(*bytes, message);
    if (status.ok()) co_return true;
    Cancel();
    co_return Unreadable(status);
  }

  Task<absl::Status> CloseSend() override {
    (void)co_await call_->Send("", true);  // a call that has ended needs no end
    co_return absl::OkStatus();
  }

  Task<Metadata> Header() override { return call_->Header(); }
  Metadata Trailer() override { return call_->Trailer(); }

  void Cancel() override { call_->End(absl::CancelledError("the call was cancelled")); }

 private:
  const std::shared_ptr<Http2Call> call_;
  const codec::Codec& codec_;
  const int max_send_;
};

// One request, one response, and the end.
Task<absl::Status> Exchange(RawStream& stream, codec::ConstBody request, codec::Body response) {
  const absl::Status sent = co_await stream.Send(request);
  if (!sent.ok() && !absl::IsCancelled(sent)) {
    stream.Cancel();
    co_return Refused(sent, 500);
  }
  (void)co_await stream.CloseSend();
  absl::StatusOr<bool> more = co_await stream.Recv(response);
  if (!more.ok()) co_return more.status();
  codec::Frame second;
  if (!*more) co_return Refused(absl::InternalError("the call ended without a response"), 500);
  more = co_await stream.Recv(second);
  if (!more.ok()) co_return more.status();
  if (*more) co_return Refused(absl::InternalError("a unary call was answered twice"), 500);
  co_return absl::OkStatus();
}

}  // namespace

// The sessions of one loop, used on its thread.
struct Http2Pool::LoopSessions {
  using Waiter = std::shared_ptr<OneShot<std::shared_ptr<Http2Session>>>;
  struct Entry {
    std::shared_ptr<Http2Session> session;
    std::vector<Waiter> waiters;  // while one connects
    absl::Time used;
  };
  std::map<std::string, Entry> entries;
  bool closed = false;

  void CloseUnused(absl::Time before) {
    std::erase_if(entries, [&](const auto& named) {
      const Entry& entry = named.second;
      const bool idle =
          entry.waiters.empty() && (entry.session == nullptr || entry.session->streams() == 0);
      if (!idle || entry.used >= before) return false;
      if (entry.session != nullptr) entry.session->Close(absl::CancelledError("unused"));
      return true;
    });
  }

  void CloseAll() {
    closed = true;
    for (auto& [address, entry] : std::exchange(entries, {})) {
      if (entry.session != nullptr)
        entry.session->Close(absl::CancelledError("the client is gone"));
      for (const Waiter& waiter : entry.waiters)
        waiter->TrySet(absl::CancelledError("the client is gone"));
    }
  }
};

absl::StatusOr<std::unique_ptr<Http2Pool>> Http2Pool::New(const ClientOptions& options) {
  std::shared_ptr<const net::Tls> tls;
  if (options.tls || !options.tls_ca.empty() || !options.tls_cert.empty()) {
    ASSIGN_OR_RETURN(tls, net::NewClientTls({.ca = options.tls_ca,
                                             .cert = options.tls_cert,
                                             .key = options.tls_key,
                                             .server_name = options.tls_server_name,
                                             .alpn = "h2"}));
  }
  return std::unique_ptr<Http2Pool>(new Http2Pool(options, std::move(tls)));
}

Http2Pool::Http2Pool(const ClientOptions& options, std::shared_ptr<const net::Tls> tls)
    : options_(options), tls_(std::move(tls)) {
  net::Loops& loops = net::Loops::Default();
  for (size_t i = 0; i < loops.size(); ++i)
    loops_.emplace(&loops[i], std::make_shared<LoopSessions>());
}

Http2Pool::~Http2Pool() {
  for (auto& [loop, sessions] : loops_) loop->Post([sessions = sessions] { sessions->CloseAll(); });
}

Task<absl::StatusOr<std::shared_ptr<Http2Session>>> Http2Pool::SessionTo(Context ctx,
                                                                         net::Loop& loop,
                                                                         std::string address) {
  const std::shared_ptr<LoopSessions> sessions = loops_.at(&loop);
  const absl::Time now = Clock::Real().Now();
  sessions->CloseUnused(now - options_.pool_ttl);
  LoopSessions::Entry& entry = sessions->entries[address];
  entry.used = now;
  if (entry.session != nullptr && entry.session->usable()) co_return entry.session;
  entry.session = nullptr;
  auto slot = std::make_shared<OneShot<std::shared_ptr<Http2Session>>>();
  entry.waiters.push_back(slot);
  if (entry.waiters.size() == 1) {
    Http2Session::Connect(
        loop, address, tls_, options_.dial_timeout,
        [sessions, address](absl::StatusOr<std::shared_ptr<Http2Session>> session) {
          if (sessions->closed) {
            if (session.ok()) (*session)->Close(absl::CancelledError("the client is gone"));
            return;
          }
          LoopSessions::Entry& entry = sessions->entries[address];
          if (session.ok()) entry.session = *session;
          for (const auto& waiter : std::exchange(entry.waiters, {})) waiter->TrySet(session);
        });
  }
  co_return co_await Await(ctx, std::move(slot));
}

Task<void> Http2Pool::Warm(Context ctx, registry::Node node) {
  for (const auto& [loop, sessions] : loops_) {
    co_await loop->Enter();
    if (!(co_await SessionTo(ctx, *loop, node.address)).ok()) co_return;
  }
}

Task<absl::StatusOr<std::unique_ptr<RawStream>>> Http2Pool::Stream(const Context& ctx,
                                                                   const registry::Node& node,
                                                                   const Request& request,
                                                                   const codec::Codec& codec) {
  net::Loop* const current = net::Loop::Current();
  net::Loop& loop = loops_.contains(current) ? *current : net::Loops::Default().Next();
  auto headers = CallHeaders(ctx, node, request, codec, tls_ != nullptr);
  if (!headers.ok()) co_return Refused(headers.status(), 500);
  co_await loop.Enter();
  absl::StatusOr<std::shared_ptr<Http2Session>> session =
      co_await SessionTo(ctx, loop, node.address);
  co_await loop.Enter();
  auto call = std::make_shared<Http2Call>(ctx, node, loop, options_.max_recv_message_size);
  absl::Status opened = session.status();
  if (opened.ok()) opened = call->Open(*std::move(session), *headers);
  if (!opened.ok()) {
    absl::Status error = ErrorOf(
        grpc::Status(static_cast<grpc::StatusCode>(opened.code()), std::string(opened.message())),
        ctx, node);
    co_return absl::IsUnavailable(opened) ? MarkUnsent(std::move(error)) : error;
  }
  co_return std::make_unique<Http2RawStream>(std::move(call), codec,
                                             options_.max_send_message_size);
}

Task<absl::Status> Http2Pool::Call(const Context& ctx, const registry::Node& node,
                                   const Request& request, const codec::Codec& codec,
                                   codec::Body response) {
  auto stream = co_await Stream(ctx, node, request, codec);
  if (!stream.ok()) co_return stream.status();
  absl::Status status = co_await Exchange(**stream, *request.body, response);
  if (request.header != nullptr) *request.header = co_await (*stream)->Header();
  if (request.trailer != nullptr) *request.trailer = (*stream)->Trailer();
  co_return status;
}

}  // namespace micro::grpc_wire
