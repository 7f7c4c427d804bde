// The server wire "grpc": native gRPC over HTTP/2, on gRPC's callback API.
//
// Each endpoint is a raw method, so that unary calls take gRPC's unary fast path and any codec
// works, under both of its paths: /<proto package>.<Handler>/<Method>, as plain gRPC calls it, and
// /<service name>.<Handler>/<Method>, as go-micro does. Any other prefix reaches it through the
// generic service, as go-micro's server looks at the last component alone.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <set>

#include "core/async.h"
#include "core/grpc/runtime.h"
#include "core/grpc/tsan.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "micro/address.h"
#include "micro/grpc/credentials.h"
#include "micro/grpc/introspection.h"
#include "micro/grpc/server_call.h"
#include "micro/wire.h"

namespace micro::grpc_wire {
namespace {

using ByteBuffer = grpc::ByteBuffer;

// The methods of all endpoints, added at run time.
class RawService final : public grpc::Service {
 public:
  RawService(const ServerShared& shared, const std::vector<ServedEndpoint>& endpoints) {
    std::set<std::string> taken;
    for (const ServedEndpoint& endpoint : endpoints) {
      const Method& method = endpoint.endpoint.method;
      const size_t dot = method.endpoint.find('.');
      const std::string go_path =
          fmt::format("/{}.{}/{}", shared.service, method.endpoint.substr(0, dot),
                      method.endpoint.substr(dot + 1));
      for (const std::string& path : {std::string(method.grpc_path), go_path}) {
        if (!path.empty() && taken.insert(path).second) Add(shared, endpoint, path);
      }
    }
  }

 private:
  void Add(const ServerShared& shared, const ServedEndpoint& endpoint, const std::string& path) {
    const bool unary = endpoint.endpoint.method.kind == MethodKind::kUnary;
    const auto type =
        unary ? grpc::internal::RpcMethod::NORMAL_RPC : grpc::internal::RpcMethod::BIDI_STREAMING;
    const std::string& kept = paths_.emplace_back(path);
    AddMethod(new grpc::internal::RpcServiceMethod(kept.c_str(), type, nullptr));
    if (unary) {
      MarkMethodRawCallback(count_,
                            new grpc::internal::CallbackUnaryHandler<ByteBuffer, ByteBuffer>(
                                [&](grpc::CallbackServerContext* context, const ByteBuffer* request,
                                    ByteBuffer* response) {
                                  return StartUnary(shared, endpoint, context, request, response);
                                }));
    } else {
      MarkMethodRawCallback(count_, new grpc::internal::CallbackBidiHandler<ByteBuffer, ByteBuffer>(
                                        [&](grpc::CallbackServerContext* context) {
                                          return StartStream(shared, endpoint, context);
                                        }));
    }
    ++count_;
  }

  std::deque<std::string> paths_;  // gRPC keeps pointers into them
  int count_ = 0;
};

// Calls by a path that was not known at the start.
class AnyPrefixService final : public grpc::CallbackGenericService {
 public:
  AnyPrefixService(const ServerShared& shared, const std::vector<ServedEndpoint>& endpoints)
      : shared_(shared) {
    for (const ServedEndpoint& endpoint : endpoints) {
      endpoints_.emplace(endpoint.endpoint.method.endpoint, &endpoint);
      handlers_.insert(
          endpoint.endpoint.method.endpoint.substr(0, endpoint.endpoint.method.endpoint.find('.')));
    }
  }

  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext* context) override {
    TsanAcquire(this);
    const std::string_view path = context->method();
    const size_t slash = path.rfind('/');
    if (path.empty() || path[0] != '/' || slash == 0 || slash + 1 == path.size()) {
      return Refuse(shared_,
                    absl::InvalidArgumentError(fmt::format("malformed method name: {}", path)));
    }
    const std::string_view full = path.substr(1, slash - 1);
    const std::string_view handler = full.substr(full.rfind('.') + 1);
    const std::string name = fmt::format("{}.{}", handler, path.substr(slash + 1));
    const auto endpoint = endpoints_.find(name);
    if (endpoint != endpoints_.end()) return StartStream(shared_, *endpoint->second, context);
    return Refuse(shared_, absl::UnimplementedError(fmt::format(
                               "unknown service {}",
                               handlers_.contains(handler) ? std::string_view(name) : handler)));
  }

 private:
  const ServerShared& shared_;
  std::map<std::string_view, const ServedEndpoint*> endpoints_;
  std::set<std::string_view> handlers_;
};

// Why gRPC could not listen there; it only logs that.
absl::Status WhyNoListening(const std::string& host, int port) {
  addrinfo hints = {}, *found = nullptr;
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  const std::string where = JoinHostPort(host, port);
  const int lookup = getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                 std::to_string(port).c_str(), &hints, &found);
  if (lookup != 0) {
    return absl::UnavailableError(fmt::format("cannot listen on {} (flag --server_address): {}",
                                              where, gai_strerror(lookup)));
  }
  int error = 0;
  for (const addrinfo* address = found; address != nullptr && error == 0;
       address = address->ai_next) {
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, 1) != 0) error = errno;
    close(fd);
  }
  freeaddrinfo(found);
  if (error == 0) return absl::OkStatus();
  return absl::UnavailableError(
      fmt::format("cannot listen on {} (flag --server_address): {}", where, std::strerror(error)));
}

// A running server and all that its calls refer to.
struct Serving {
  ServerShared shared;
  std::vector<ServedEndpoint> endpoints;
  std::unique_ptr<RawService> methods;
  std::unique_ptr<AnyPrefixService> any_prefix;
  std::unique_ptr<grpc::Server> server;  // first to go
};

class GrpcServerWire final : public ServerWire {
 public:
  explicit GrpcServerWire(const ServerOptions& options) : options_(options) {}

  ~GrpcServerWire() override {
    if (serving_ != nullptr) serving_->server->Shutdown(std::chrono::system_clock::now());
  }

  std::string_view name() const override { return "grpc"; }
  std::string_view protocol() const override { return "grpc"; }
  std::string_view transport() const override { return "grpc"; }

  absl::StatusOr<int> Start(const std::string& host, int port,
                            std::vector<ServedEndpoint> endpoints) override {
    StartGrpc();
    ASSIGN_OR_RETURN(std::shared_ptr<grpc::ServerCredentials> credentials,
                     ServerCredentialsOf(options_));
    auto serving = std::make_shared<Serving>();
    serving->shared = {.service = options_.name,
                       .max_send_message_size = options_.max_send_message_size};
    for (ServedEndpoint& endpoint : IntrospectionEndpoints(endpoints, health_))
      endpoints.push_back(std::move(endpoint));
    serving->endpoints = std::move(endpoints);
    serving->methods = std::make_unique<RawService>(serving->shared, serving->endpoints);
    serving->any_prefix = std::make_unique<AnyPrefixService>(serving->shared, serving->endpoints);

    grpc::ServerBuilder builder;
    int bound = 0;
    builder.AddListeningPort(JoinHostPort(host.empty() ? "0.0.0.0" : host, port),
                             std::move(credentials), &bound);
    builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT,
                               0);  // a taken port is an error, not a second owner
    builder.SetMaxReceiveMessageSize(options_.max_recv_message_size);
    builder.SetMaxSendMessageSize(options_.max_send_message_size);
    builder.RegisterService(serving->methods.get());
    builder.RegisterCallbackGenericService(serving->any_prefix.get());
    TsanRelease(&serving->shared);
    TsanRelease(serving->any_prefix.get());
    serving->server = builder.BuildAndStart();
    if (serving->server == nullptr || bound == 0) {
      serving->server.reset();
      RETURN_IF_ERROR(WhyNoListening(host, port));
      return absl::InvalidArgumentError(
          options_.tls_cert.empty()
              ? fmt::format("gRPC cannot listen on {} (flag --server_address)",
                            JoinHostPort(host, port))
              : fmt::format("gRPC refuses the certificate {} with the key {} (flags "
                            "--server_tls_cert, --server_tls_key)",
                            options_.tls_cert, options_.tls_key));
    }
    serving_ = std::move(serving);
    health_->Start();
    return bound;
  }

  void SetReady(bool ready) override { health_->SetReady(ready); }

  void Leave() override { health_->Stop(); }

  Task<void> Stop(absl::Duration grace) override {
    if (serving_ == nullptr) co_return;
    Leave();
    // gRPC tells its peers to go (GOAWAY), waits for calls until the deadline, cancels the rest and
    // waits for their ends. Only a handler that ignores its cancellation can hold that up; all that
    // it may still use stays until it ends. A call that crosses the GOAWAY is refused, in words that
    // client_call.cc knows.
    auto down = std::make_shared<OneShot<bool>>();
    Executor::Default().Post([serving = std::exchange(serving_, nullptr), grace, down] {
      serving->server->Shutdown(std::chrono::system_clock::now() +
                                absl::ToChronoNanoseconds(grace));
      down->TrySet(true);
    });
    (void)co_await Await(WithTimeout(Context(), grace + options_.cancel_timeout), down);
  }

 private:
  const ServerOptions options_;
  const std::shared_ptr<Health> health_ = std::make_shared<Health>();
  std::shared_ptr<Serving> serving_;
};

MICRO_PLUGIN(ServerWire, "grpc", [](const ServerOptions& options) {
  return std::make_unique<GrpcServerWire>(options);
});

}  // namespace
}  // namespace micro::grpc_wire
