// The client wire "grpc": native gRPC over HTTP/2, on gRPC's callback API.
#include <fmt/format.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "core/clock.h"
#include "core/errors.h"
#include "core/mutex.h"
#include "core/plugin_table.h"
#include "core/published.h"
#include "core/status_macros.h"
#include "micro/grpc/bytes.h"
#include "micro/grpc/credentials.h"
#include "micro/grpc/headers.h"
#include "micro/grpc/runtime.h"
#include "micro/grpc/status.h"
#include "micro/grpc/tsan.h"
#include "micro/wire.h"

namespace micro::grpc_wire {
namespace {

using ByteBuffer = grpc::ByteBuffer;

// The connections to one address.
struct Connections {
  explicit Connections(std::vector<std::shared_ptr<grpc::Channel>> channels) {
    for (auto& channel : channels) stubs.emplace_back(std::move(channel));
  }

  grpc::GenericStub& Next() { return stubs[next.fetch_add(1, std::memory_order_relaxed) % stubs.size()]; }

  std::vector<grpc::GenericStub> stubs;
  std::atomic<uint32_t> next = 0;
  std::atomic<int64_t> used_ns = 0;
};

// All connections of a client; read without a lock.
class Pool {
 public:
  Pool(const ClientOptions& options, std::shared_ptr<grpc::ChannelCredentials> credentials)
      : options_(options), credentials_(std::move(credentials)) {}

  std::shared_ptr<Connections> To(const std::string& address) {
    const int64_t now = absl::ToUnixNanos(Clock::Real().Now());
    const std::shared_ptr<const Table> table = table_.Load();
    const auto known = table->find(address);
    std::shared_ptr<Connections> connections = known != table->end() ? known->second : Add(address, now);
    connections->used_ns.store(now, std::memory_order_relaxed);
    return connections;
  }

 private:
  using Table = std::map<std::string, std::shared_ptr<Connections>, std::less<>>;

  // Opens connections to an address, and drops those that nobody used for the time to live.
  std::shared_ptr<Connections> Add(const std::string& address, int64_t now) {
    MutexLock lock(mutex_);
    auto table = std::make_shared<Table>(*table_.Load());
    auto known = table->find(address);
    if (known != table->end()) return known->second;
    std::vector<std::shared_ptr<grpc::Channel>> channels;
    for (int i = 0; i < std::max(options_.pool_size, 1); ++i) {
      grpc::ChannelArguments arguments;
      arguments.SetMaxReceiveMessageSize(options_.max_recv_message_size);
      arguments.SetMaxSendMessageSize(options_.max_send_message_size);
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);     // retries are the client's, by its policy
      arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);  // nodes are called directly
      arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
      arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
      arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
      if (!options_.tls_server_name.empty()) arguments.SetSslTargetNameOverride(options_.tls_server_name);
      channels.push_back(grpc::CreateCustomChannel(address, credentials_, arguments));
    }
    auto made = std::make_shared<Connections>(std::move(channels));
    made->used_ns = now;
    const int64_t oldest = now - absl::ToInt64Nanoseconds(options_.pool_ttl);
    std::erase_if(*table, [&](const auto& entry) { return entry.second->used_ns.load() < oldest; });
    table->emplace(address, made);
    table_.Store(std::move(table));
    return made;
  }

  const ClientOptions options_;
  const std::shared_ptr<grpc::ChannelCredentials> credentials_;
  Published<Table> table_;
  Mutex mutex_;
};

// Cancels a call when its context is.
class CancelLink {
 public:
  CancelLink(const Context& ctx, grpc::ClientContext& call) {
    if (ctx.stop_token().stop_possible()) link_.emplace(ctx.stop_token(), Cancel{&call});
  }

 private:
  struct Cancel {
    grpc::ClientContext* call;
    void operator()() const { call->TryCancel(); }
  };
  std::optional<std::stop_callback<Cancel>> link_;
};

absl::Status Refused(const absl::Status& why, int code) {
  return errors::ToStatus({.id = std::string(errors::kClientId),
                           .code = code,
                           .detail = std::string(why.message()),
                           .status = ""},
                          why.code());
}

// The error of a call. A connection that could not be made is told from an answer of the node.
absl::Status ErrorOf(const grpc::Status& status, const Context& ctx, const registry::Node& node) {
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && status.error_details().empty()) {
    const std::string& why = status.error_message();
    absl::Status error = errors::ToStatus({.id = std::string(errors::kClientId),
                                           .code = 500,
                                           .detail = fmt::format("connection error: {}: {}", node.address, why),
                                           .status = ""},
                                          absl::StatusCode::kUnavailable);
    return why.starts_with("failed to connect to all addresses") ? MarkUnsent(std::move(error)) : error;
  }
  if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED ||
      (status.error_code() == grpc::StatusCode::CANCELLED && ctx.stop_token().stop_requested())) {
    if (!status.error_details().empty()) return FromGrpc(status);
    return errors::ToStatus({.id = std::string(errors::kClientId),
                             .code = 408,
                             .detail = status.error_code() == grpc::StatusCode::CANCELLED ? "context canceled"
                                                                                            : "context deadline exceeded",
                             .status = ""},
                            static_cast<absl::StatusCode>(status.error_code()));
  }
  return FromGrpc(status);
}

std::string PathOf(const Request& request) {
  if (!request.method.grpc_path.empty()) return std::string(request.method.grpc_path);
  const std::string_view endpoint = request.method.endpoint;
  if (endpoint.starts_with('/')) return std::string(endpoint);
  const size_t dot = endpoint.find('.');
  if (dot == std::string_view::npos) return fmt::format("/{}", endpoint);
  const std::string_view prefix = request.service;
  return fmt::format("/{}{}{}/{}", prefix, prefix.empty() ? "" : ".", endpoint.substr(0, dot), endpoint.substr(dot + 1));
}

// Sets what every call needs before it starts.
absl::Status Prepare(const Context& ctx, const Request& request, grpc::ClientContext& call) {
  const absl::Duration left = ctx.remaining();
  if (left != absl::InfiniteDuration()) {
    call.set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(left));
  }
  const absl::Status status = WriteHeaders(ctx.metadata(), request.content_type, left, &call);
  return status.ok() ? status : Refused(status, 500);
}

// co_await UnaryOperation{...}: the call's status, on the thread of its end.
struct UnaryOperation {
  grpc::GenericStub& stub;
  const std::string& path;
  grpc::ClientContext& context;
  const ByteBuffer& request;
  ByteBuffer& response;
  grpc::Status status;

  bool await_ready() { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    TsanRelease(this);
    stub.UnaryCall(&context, path, {}, &request, &response, [this, waiter](grpc::Status done) {
      TsanAcquire(this);
      status = std::move(done);
      waiter.resume();
    });
  }
  grpc::Status await_resume() { return std::move(status); }
};

// A call of any streaming kind. gRPC's reactor and the caller's handle have lives of their own: the reactor frees itself when the
// call has ended and the handle is gone.
class StreamCall final : public grpc::ClientBidiReactor<ByteBuffer, ByteBuffer> {
 private:
  struct Operation {
    std::coroutine_handle<> waiter;
    bool ok = false;
  };
  // co_await Started{...}: whether the operation was started and went well.
  template <class Start>
  struct Started {
    StreamCall& call;
    Operation& operation;
    Start start;
    bool started = false;
    bool await_ready() { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) {
      StreamCall& alive = call;  // the operation may end, and this awaiter with it, before Start returns
      if (!alive.TryHold()) return false;
      started = true;
      operation.waiter = waiter;
      TsanRelease(&alive);
      start(alive);
      alive.DropHold();
      return true;
    }
    bool await_resume() { return started && operation.ok; }
  };
  auto ReadOperation() {
    return Started{*this, read_, [](StreamCall& call) { call.StartRead(&call.incoming_); }};
  }
  auto WriteOperation() {
    return Started{*this, write_, [](StreamCall& call) { call.StartWrite(&call.outgoing_); }};
  }
  auto CloseOperation() {
    return Started{*this, write_, [](StreamCall& call) { call.StartWritesDone(); }};
  }

 public:
  StreamCall(const Context& ctx, registry::Node node, const codec::Codec& codec, int max_send_message_size,
             std::shared_ptr<Connections> connections)
      : ctx_(ctx), node_(std::move(node)), codec_(codec), max_send_(max_send_message_size),
        connections_(std::move(connections)) {}

  grpc::ClientContext& context() { return context_; }

  void Start(const std::string& path) {
    connections_->Next().PrepareBidiStreamingCall(&context_, path, {}, this);
    link_.emplace(ctx_, context_);
    AddHold();  // operations may start until it is given back (holds_)
    TsanRelease(this);
    StartCall();
  }

  Task<absl::Status> Send(codec::ConstBody message) {
    CO_RETURN_IF_ERROR(Write(codec_, message, max_send_, &outgoing_));
    const bool sent = co_await WriteOperation();
    outgoing_.Clear();
    if (sent) co_return absl::OkStatus();
    // The call has ended; Recv tells how.
    co_return absl::CancelledError("the call has ended; its error comes with Recv");
  }

  Task<absl::StatusOr<bool>> Recv(codec::Body message) {
    const bool received = co_await ReadOperation();
    if (received) {
      const absl::Status status = Read(codec_, incoming_, message);
      incoming_.Clear();
      if (status.ok()) co_return true;
      context_.TryCancel();
      co_return errors::ToStatus({.id = "go.micro.client.codec", .code = 500,
                                  .detail = std::string(status.message()), .status = ""});
    }
    Detach();
    const grpc::Status status = co_await EndOperation{*this};
    if (status.ok()) co_return false;
    co_return ErrorOf(status, ctx_, node_);
  }

  Task<absl::Status> CloseSend() {
    co_await CloseOperation();
    co_return absl::OkStatus();
  }

  void Cancel() { context_.TryCancel(); }

  // The handle goes: what has not ended is cancelled, and nothing more is started.
  void Release() {
    context_.TryCancel();
    Detach();
    Unref();
  }

  void OnReadDone(bool ok) override { Resume(read_, ok); }
  void OnWriteDone(bool ok) override { Resume(write_, ok); }
  void OnWritesDoneDone(bool ok) override { Resume(write_, ok); }
  void OnDone(const grpc::Status& status) override {
    TsanAcquire(this);
    std::coroutine_handle<> waiter;
    {
      MutexLock lock(mutex_);
      ended_ = status;
      waiter = std::exchange(end_waiter_, nullptr);
    }
    if (waiter) waiter.resume();
    Unref();
  }

 private:
  struct EndOperation {
    StreamCall& call;
    bool await_ready() { return false; }
    bool await_suspend(std::coroutine_handle<> waiter) {
      MutexLock lock(call.mutex_);
      if (call.ended_.has_value()) return false;
      call.end_waiter_ = waiter;
      return true;
    }
    grpc::Status await_resume() {
      MutexLock lock(call.mutex_);
      return *call.ended_;
    }
  };

  void Resume(Operation& operation, bool ok) {
    TsanAcquire(this);
    operation.ok = ok;
    std::exchange(operation.waiter, nullptr).resume();
  }

  // gRPC's one hold is counted here: by the handle until Detach, and by each operation while it is being started, so that none
  // starts after gRPC was allowed to end the call.
  bool TryHold() {
    int holds = holds_.load();
    while (holds > 0 && !holds_.compare_exchange_weak(holds, holds + 1)) {
    }
    return holds > 0;
  }
  void DropHold() {
    if (holds_.fetch_sub(1) == 1) RemoveHold();
  }

  // The handle starts nothing more: gRPC may end the call.
  void Detach() {
    if (!detached_.exchange(true)) DropHold();
  }

  void Unref() {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  const Context ctx_;
  const registry::Node node_;
  const codec::Codec& codec_;
  const int max_send_;
  const std::shared_ptr<Connections> connections_;
  grpc::ClientContext context_;
  std::optional<CancelLink> link_;
  ByteBuffer incoming_;
  ByteBuffer outgoing_;
  Operation read_;
  Operation write_;
  std::atomic<bool> detached_ = false;
  std::atomic<int> holds_ = 1;
  std::atomic<int> references_ = 2;  // gRPC's and the handle's
  Mutex mutex_;
  std::optional<grpc::Status> ended_ ABSL_GUARDED_BY(mutex_);
  std::coroutine_handle<> end_waiter_ ABSL_GUARDED_BY(mutex_);
};

// The caller's handle on a StreamCall.
class StreamHandle final : public RawStream {
 public:
  explicit StreamHandle(StreamCall* call) : call_(call) {}
  ~StreamHandle() override { call_->Release(); }
  Task<absl::Status> Send(codec::ConstBody message) override { return call_->Send(message); }
  Task<absl::StatusOr<bool>> Recv(codec::Body message) override { return call_->Recv(message); }
  Task<absl::Status> CloseSend() override { return call_->CloseSend(); }
  void Cancel() override { call_->Cancel(); }

 private:
  StreamCall* const call_;
};

class GrpcClientWire final : public ClientWire {
 public:
  GrpcClientWire(const ClientOptions& options, std::shared_ptr<grpc::ChannelCredentials> credentials)
      : options_(options), pool_(options, std::move(credentials)) {}

  std::string_view protocol() const override { return "grpc"; }
  std::string_view default_content_type() const override { return "application/grpc+proto"; }

  Task<absl::Status> Call(const Context& ctx, const registry::Node& node, const Request& request,
                          codec::Body response) override {
    const absl::StatusOr<const codec::Codec*> codec = codec::ForContentType(request.content_type);
    if (!codec.ok()) co_return Refused(codec.status(), 500);
    grpc::ClientContext context;
    CO_RETURN_IF_ERROR(Prepare(ctx, request, context));
    ByteBuffer outgoing, incoming;
    absl::Status status = Write(**codec, *request.body, options_.max_send_message_size, &outgoing);
    if (!status.ok()) co_return Refused(status, 500);
    const std::string path = PathOf(request);
    const std::shared_ptr<Connections> connections = pool_.To(node.address);
    std::optional<CancelLink> link(std::in_place, ctx, context);
    const grpc::Status done =
        co_await UnaryOperation{connections->Next(), path, context, outgoing, incoming, grpc::Status()};
    link.reset();
    if (!done.ok()) co_return ErrorOf(done, ctx, node);
    status = Read(**codec, incoming, response);
    if (status.ok()) co_return status;
    co_return errors::ToStatus({.id = "go.micro.client.codec", .code = 500, .detail = std::string(status.message()),
                                .status = ""});
  }

  Task<absl::StatusOr<std::unique_ptr<RawStream>>> Stream(const Context& ctx, const registry::Node& node,
                                                          const Request& request) override {
    const absl::StatusOr<const codec::Codec*> codec = codec::ForContentType(request.content_type);
    if (!codec.ok()) co_return Refused(codec.status(), 500);
    auto call = std::make_unique<StreamCall>(ctx, node, **codec, options_.max_send_message_size, pool_.To(node.address));
    CO_RETURN_IF_ERROR(Prepare(ctx, request, call->context()));
    StreamCall* started = call.release();
    auto handle = std::make_unique<StreamHandle>(started);
    started->Start(PathOf(request));
    co_return handle;
  }

 private:
  const ClientOptions options_;
  Pool pool_;
};

absl::StatusOr<std::unique_ptr<ClientWire>> NewGrpcClientWire(const ClientOptions& options) {
  StartGrpc();
  ASSIGN_OR_RETURN(std::shared_ptr<grpc::ChannelCredentials> credentials, ChannelCredentialsOf(options));
  return std::make_unique<GrpcClientWire>(options, std::move(credentials));
}

MICRO_PLUGIN(ClientWire, "grpc", NewGrpcClientWire);

}  // namespace
}  // namespace micro::grpc_wire
