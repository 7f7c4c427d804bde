// The client wire "rpc": go-micro's own, HTTP/1.1 with Micro-* headers ("mucp").
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "micro/rpc/body.h"
#include "micro/rpc/client_call.h"
#include "micro/rpc/client_error.h"
#include "micro/rpc/client_pool.h"
#include "micro/rpc/client_stream.h"
#include "micro/rpc/request_text.h"
#include "micro/rpc/tls.h"
#include "micro/wire.h"

namespace micro::rpc {
namespace {

// Appends head and body of a call; all but what Finish adds.
absl::Status Write(const RequestHeader& header, const Metadata& metadata, const BodyFormat& format,
                   codec::ConstBody body, size_t limit, RequestText& text) {
  RETURN_IF_ERROR(AppendHeaders(header, metadata, &text.bytes()));
  text.EndHeaders();
  return format.Append(body, limit, text.bytes());
}

// A buffer for a request, given back at the end of the scope.
class BorrowedText {
 public:
  explicit BorrowedText(LoopClient& client) : client_(client), text_(client.TakeBuffer()) {}
  ~BorrowedText() { client_.GiveBuffer(std::move(text_).Recycle()); }
  RequestText* operator->() { return &text_; }
  RequestText& operator*() { return text_; }

 private:
  LoopClient& client_;
  RequestText text_;
};

class RpcClientWire final : public ClientWire {
 public:
  explicit RpcClientWire(std::shared_ptr<const ClientSettings> settings)
      : settings_(std::move(settings)) {}

  ~RpcClientWire() override {
    for (auto& [loop, client] : clients_)
      loop->Post([last = std::move(client)]() mutable { last = nullptr; });
  }

  std::string_view protocol() const override { return "mucp"; }
  std::string_view default_content_type() const override { return "application/json"; }
  absl::Duration default_connection_timeout() const override { return absl::Seconds(5); }

  Task<absl::Status> Call(const Context& ctx, const registry::Node& node, const Request& request,
                          codec::Body response) override {
    const absl::StatusOr<BodyFormat> format = BodyFormat::Of(request.content_type);
    if (!format.ok()) co_return Refused(format.status());
    LoopClient& client = *ClientHere();
    co_await client.loop().Enter();
    if (const absl::Status ended = ctx.status(); !ended.ok()) co_return Ended(ended);

    BorrowedText text(client);
    text->Begin(node.address);
    if (const absl::Status written = Write(HeaderOf(request), ctx.metadata(), *format,
                                           *request.body, settings_->max_send, *text);
        !written.ok()) {
      co_return Refused(written);
    }
    UnaryCall call(client, ctx, node.address);
    std::optional<absl::Status> crossed;
    while (true) {
      const auto connection = co_await call.Connect(/*fresh=*/crossed.has_value());
      // Where the first try may have been seen, the mark of an unsent request would not be true.
      if (!connection.ok())
        co_return crossed&& IsUnsent(connection.status()) ? *crossed : connection.status();
      const Answer answer = co_await call.Send(*connection, text->Finish(ctx.remaining()));
      if (answer.message != nullptr)
        co_return Take(*answer.message, **connection, node, *format, response);
      if (!answer.crossed || crossed.has_value()) co_return answer.error;
      crossed = answer.error;
    }
  }

  Task<absl::StatusOr<std::unique_ptr<RawStream>>> Stream(const Context& ctx,
                                                          const registry::Node& node,
                                                          const Request& request) override {
    const absl::StatusOr<BodyFormat> format = BodyFormat::Of(request.content_type);
    if (!format.ok()) co_return Refused(format.status());
    const std::shared_ptr<LoopClient> client = ClientHere();
    RequestHeader header = HeaderOf(request);
    header.stream = true;
    co_return co_await OpenStream(client, ctx, node.address, header, *format);
  }

  // One connection on each loop, as a call uses those of the loop that it runs on.
  Task<void> Warm(const Context& ctx, const registry::Node& node) override {
    for (const auto& [loop, client] : Clients()) {
      if (!co_await WarmOn(client, ctx, node.address)) co_return;
    }
  }

 private:
  using ClientsByLoop = std::vector<std::pair<net::Loop*, std::shared_ptr<LoopClient>>>;

  // False: the node cannot be reached.
  static Task<bool> WarmOn(std::shared_ptr<LoopClient> client, Context ctx, std::string address) {
    co_await client->loop().Enter();
    if (!ctx.status().ok()) co_return false;
    UnaryCall call(*client, ctx, address);
    absl::StatusOr<UnaryCall::Connection> connection = co_await call.Connect(/*fresh=*/false);
    if (connection.ok()) client->To(address).Free(*std::move(connection));
    co_return connection.ok();
  }

  // The parts of this client, on all loops.
  const ClientsByLoop& Clients() {
    // Made at the first call: the loops have threads, which a program without such calls is spared.
    std::call_once(made_, [&] {
      net::Loops& loops = net::Loops::Default();
      for (size_t i = 0; i < loops.size(); ++i)
        clients_.emplace_back(&loops[i], std::make_shared<LoopClient>(loops[i], settings_));
    });
    return clients_;
  }

  // The one on the loop of this thread; elsewhere, on the next loop.
  const std::shared_ptr<LoopClient>& ClientHere() {
    const net::Loop* loop = net::Loop::Current();
    while (true) {
      for (const auto& [own, client] : Clients()) {
        if (own == loop) return client;
      }
      loop = &net::Loops::Default().Next();
    }
  }

  RequestHeader HeaderOf(const Request& request) {
    return {.service = request.service,
            .endpoint = request.method.endpoint,
            .content_type = request.content_type,
            .id = next_id_.fetch_add(1, std::memory_order_relaxed)};
  }

  // Reads an answer into `response`, and ends the connection's work on it.
  static absl::Status Take(const HttpMessage& message, ClientConnection& connection,
                           const registry::Node& node, const BodyFormat& format,
                           codec::Body response) {
    absl::Status status = ErrorIn(message, node.address);
    // "No request of yours has come", says HTTP: the server was closing the connection meanwhile.
    if (message.status == 408) status = MarkUnsent(std::move(status));
    const bool clean = status.ok() || (message.status == 200 && !ErrorText(message).empty());
    if (status.ok()) {
      const absl::Status read = format.Read(message.body, response);
      if (!read.ok()) status = Unreadable(read);
    }
    if (clean) {
      connection.Finish();
    } else {
      connection.Close();
    }
    return status;
  }

  const std::shared_ptr<const ClientSettings> settings_;
  std::atomic<uint64_t> next_id_ = 0;
  std::once_flag made_;
  ClientsByLoop clients_;
};

absl::StatusOr<std::unique_ptr<ClientWire>> NewRpcClientWire(const ClientOptions& options) {
  ASSIGN_OR_RETURN(std::shared_ptr<const net::Tls> tls, ClientTlsOf(options));
  auto settings = std::make_shared<ClientSettings>(ClientSettings{
      .dial_timeout = options.dial_timeout,
      .pool_ttl = options.pool_ttl,
      .most_idle = options.pool_size > 0 ? static_cast<size_t>(options.pool_size) : 100,
      .max_send = static_cast<size_t>(options.max_send_message_size),
      .limits = {.body_bytes = static_cast<size_t>(options.max_recv_message_size)},
      .tls = std::move(tls)});
  return std::make_unique<RpcClientWire>(std::move(settings));
}

MICRO_PLUGIN(ClientWire, "rpc", NewRpcClientWire);

}  // namespace
}  // namespace micro::rpc
