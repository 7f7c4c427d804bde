#include "registry/etcd/etcd_client.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/executor.h"
#include "core/grpc/unary_call.h"
#include "core/log.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace micro::registry {
namespace {

constexpr absl::Duration kDefaultTimeout = absl::Seconds(5);

std::string Environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The endpoint did not answer, rather than answer that something is wrong.
bool Unreachable(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
}

// etcd asks for another token: this one has expired, or rights have changed, or there is none.
bool RefusesToken(const absl::Status& status) {
  const std::string_view message = ToStd(status.message());
  return absl::IsUnauthenticated(status) || message.find("user name is empty") != message.npos ||
         message.find("revision of auth store is old") != message.npos;
}

bool RefusesUser(const absl::Status& status) {
  return RefusesToken(status) ||
         ToStd(status.message()).find("authentication failed") != std::string_view::npos;
}

void Prepare(const Context& ctx, const std::string& token, grpc::ClientContext& call) {
  const absl::Duration left = ctx.remaining();
  if (left != absl::InfiniteDuration())
    call.set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(left));
  if (!token.empty()) call.AddMetadata("token", token);
}

// One request to one endpoint.
template <class Response, class Request>
Task<absl::StatusOr<Response>> CallOne(Context ctx, grpc::GenericStub& stub, std::string path,
                                       const Request& request, const std::string& token) {
  grpc::ClientContext context;
  Prepare(ctx, token, context);
  const grpc::ByteBuffer outgoing = ToEtcdBytes(request);
  grpc::ByteBuffer incoming;
  std::optional<GrpcCancelLink> link(std::in_place, ctx, context);
  const grpc::Status done =
      co_await GrpcUnaryCall{stub, path, context, outgoing, incoming, grpc::Status()};
  link.reset();
  CO_RETURN_IF_ERROR(EtcdStatus(done));
  Response response;
  CO_RETURN_IF_ERROR(FromEtcdBytes(incoming, response));
  co_return response;
}

// Opens a stream to one endpoint with its first request, and waits for the first response.
template <class Stream, class Response, class Request>
Task<absl::StatusOr<std::unique_ptr<Stream>>> OpenOne(
    Context ctx, Context life, grpc::GenericStub& stub, std::string path, const Request& request,
    const std::string& token, std::function<void(const absl::Status&)> lost) {
  auto call = std::make_shared<GrpcBidiCall>(nullptr);
  Prepare(Context(), token, call->context());
  call->context().AddMetadata("hasleader", "true");  // it ends when its member is cut off
  call->Start(life, stub, path);
  auto stream = std::make_unique<Stream>(std::move(call), std::move(lost));
  co_await stream->Send(request);  // whether it failed, Recv tells
  CO_ASSIGN_OR_RETURN(Response first, co_await stream->Recv(ctx));
  stream->Unrecv(std::move(first));
  co_return stream;
}

std::string Addresses(const std::vector<EtcdEndpoint>& endpoints) {
  std::vector<std::string> addresses;
  for (const EtcdEndpoint& endpoint : endpoints) addresses.push_back(endpoint.address);
  return fmt::format("{}", fmt::join(addresses, ", "));
}

}  // namespace

absl::StatusOr<std::unique_ptr<EtcdClient>> EtcdClient::New(const Options& options) {
  ASSIGN_OR_RETURN(std::vector<EtcdEndpoint> endpoints, OpenEtcdEndpoints(options));
  Options own = options;
  const std::string username = Environment("ETCD_USERNAME"),
                    password = Environment("ETCD_PASSWORD");
  if (own.username.empty() && own.password.empty() && !username.empty() && !password.empty()) {
    own.username = username;
    own.password = password;
  }
  if (own.username.empty() != own.password.empty()) {
    return absl::InvalidArgumentError(
        "--registry_username and --registry_password go together: only one is set");
  }
  return std::unique_ptr<EtcdClient>(new EtcdClient(std::move(endpoints), own));
}

EtcdClient::EtcdClient(std::vector<EtcdEndpoint> endpoints, const Options& options)
    : endpoints_(std::move(endpoints)),
      addresses_(Addresses(endpoints_)),
      timeout_(options.timeout > absl::ZeroDuration() ? options.timeout : kDefaultTimeout),
      username_(options.username),
      password_(options.password) {}

void EtcdClient::Reached(size_t endpoint) {
  if (down_.load(std::memory_order_relaxed) && down_.exchange(false))
    log::Info("etcd answers again", {{"address", endpoints_[endpoint].address}});
}

void EtcdClient::Failed(size_t endpoint, const absl::Status& why) {
  size_t expected = endpoint;  // where another attempt has moved on already, it stays
  current_.compare_exchange_strong(expected, (endpoint + 1) % endpoints_.size());
  if (!down_.exchange(true)) {
    log::Warn("etcd does not answer", {{"address", endpoints_[endpoint].address}, {"error", why}});
  }
}

absl::Status EtcdClient::Explained(const absl::Status& status) const {
  const std::string_view why = ToStd(status.message());
  if (absl::IsUnavailable(status)) {
    return absl::UnavailableError(
        fmt::format("etcd at {} cannot be reached (flag --registry_address): {}", addresses_, why));
  }
  if (absl::IsDeadlineExceeded(status)) {
    return absl::UnavailableError(
        fmt::format("etcd at {} (flag --registry_address) did not answer within {} (flag "
                    "--registry_timeout)",
                    addresses_, absl::FormatDuration(timeout_)));
  }
  if (RefusesUser(status)) {
    return absl::UnauthenticatedError(fmt::format(
        "etcd at {} does not let in {} (flags --registry_username, --registry_password): {}",
        addresses_, username_.empty() ? "who has no user" : fmt::format("user \"{}\"", username_),
        why));
  }
  return absl::Status(status.code(), fmt::format("etcd at {}: {}", addresses_, why));
}

// Makes attempts at one endpoint after the other, the one that answered last first, until one
// answers. A lone endpoint has a second one: a connection may end just when a request goes out.
template <class Result, class Attempt>
Task<absl::StatusOr<Result>> EtcdClient::Anywhere(Context ctx, Attempt attempt) {
  CO_RETURN_IF_ERROR(ctx.status());
  absl::Status failure;
  for (size_t left = std::max<size_t>(endpoints_.size(), 2); left > 0; --left) {
    const size_t endpoint = current_.load();
    const absl::Time began = Clock::Real().Now();
    const Context share = WithTimeout(
        ctx, ctx.remaining() / static_cast<double>(std::min(left, endpoints_.size())));
    absl::StatusOr<Result> result = co_await attempt(share, endpoint);
    if (result.ok() || !Unreachable(result.status())) {
      if (!absl::IsCancelled(result.status())) Reached(endpoint);
      co_return result;
    }
    failure = result.status();
    // Who has hardly any time has learned nothing of the endpoint.
    const absl::Duration fair = timeout_ / static_cast<double>(2 * endpoints_.size());
    if (absl::IsDeadlineExceeded(failure) && Clock::Real().Now() - began < fair) break;
    Failed(endpoint, failure);
    if (!ctx.status().ok()) break;
  }
  co_return failure;
}

template <class Result, class Attempt>
Task<absl::StatusOr<Result>> EtcdClient::WithToken(Context ctx, Attempt attempt) {
  const Context limited = WithTimeout(ctx, timeout_);
  absl::StatusOr<Result> result = absl::UnknownError("");
  for (int round = 0; round < 2; ++round) {
    const absl::StatusOr<std::string> token = co_await Token(limited);
    if (!token.ok()) {
      result = token.status();
      break;
    }
    result = co_await attempt(limited, *token);
    if (result.ok() || username_.empty() || !RefusesToken(result.status())) break;
    ForgetToken(*token);
  }
  if (result.ok()) co_return result;
  CO_RETURN_IF_ERROR(ctx.status());
  co_return Explained(result.status());
}

template <class Response, class Request>
Task<absl::StatusOr<Response>> EtcdClient::Call(Context ctx, const char* path, Request request) {
  CO_RETURN_IF_ERROR(ctx.status());
  co_return co_await WithToken<Response>(ctx, [&](Context limited, const std::string& token) {
    return Anywhere<Response>(limited, [&, this](Context share, size_t endpoint) {
      return CallOne<Response>(share, endpoints_[endpoint].stub, path, request, token);
    });
  });
}

template <class Stream, class Response, class Request>
Task<absl::StatusOr<std::unique_ptr<Stream>>> EtcdClient::Open(Context ctx, Context life,
                                                               const char* path, Request request) {
  CO_RETURN_IF_ERROR(ctx.status());
  using Opened = std::unique_ptr<Stream>;
  co_return co_await WithToken<Opened>(ctx, [&](Context limited, const std::string& token) {
    return Anywhere<Opened>(limited, [&, this](Context share, size_t endpoint) {
      return OpenOne<Stream, Response>(share, life, endpoints_[endpoint].stub, path, request, token,
                                       [this, endpoint](const absl::Status& why) {
                                         if (Unreachable(why)) Failed(endpoint, why);
                                       });
    });
  });
}

// The token that requests carry: got by the first who needs it, while others wait for it.
Task<absl::StatusOr<std::string>> EtcdClient::Token(Context ctx) {
  if (username_.empty()) co_return std::string();
  while (true) {
    std::shared_ptr<OneShot<bool>> waiter;
    {
      MutexLock lock(mutex_);
      if (token_.has_value()) co_return *token_;
      if (authenticating_) {
        waiter = waiters_.emplace_back(std::make_shared<OneShot<bool>>());
      } else {
        authenticating_ = true;
      }
    }
    if (waiter == nullptr) break;
    const absl::StatusOr<bool> ended = co_await Await(ctx, std::move(waiter));
    if (!ended.ok()) co_return ended.status();
  }
  absl::StatusOr<std::string> token = co_await Authenticate(ctx);
  std::vector<std::shared_ptr<OneShot<bool>>> waiters;
  {
    MutexLock lock(mutex_);
    authenticating_ = false;
    if (token.ok()) token_ = *token;
    waiters.swap(waiters_);
  }
  for (const auto& waiter : waiters) Executor::Default().Post([waiter] { waiter->TrySet(true); });
  co_return token;
}

Task<absl::StatusOr<std::string>> EtcdClient::Authenticate(Context ctx) {
  etcd::AuthenticateRequest request;
  request.set_name(username_);
  request.set_password(password_);
  const std::string none;
  const absl::StatusOr<etcd::AuthenticateResponse> response =
      co_await Anywhere<etcd::AuthenticateResponse>(ctx, [&](Context share, size_t endpoint) {
        return CallOne<etcd::AuthenticateResponse>(
            share, endpoints_[endpoint].stub, "/etcdserverpb.Auth/Authenticate", request, none);
      });
  if (response.ok()) co_return response->token();
  // As etcd's own client: a user is no mistake where none is asked for.
  if (absl::IsFailedPrecondition(response.status()) &&
      ToStd(response.status().message()).find("authentication is not enabled") !=
          std::string_view::npos) {
    co_return none;
  }
  co_return response.status();
}

void EtcdClient::ForgetToken() {
  MutexLock lock(mutex_);
  token_.reset();
}

void EtcdClient::ForgetToken(const std::string& token) {
  MutexLock lock(mutex_);
  if (token_ == token) token_.reset();
}

Task<absl::StatusOr<etcd::RangeResponse>> EtcdClient::Range(Context ctx,
                                                            etcd::RangeRequest request) {
  return Call<etcd::RangeResponse>(std::move(ctx), "/etcdserverpb.KV/Range", std::move(request));
}

Task<absl::StatusOr<etcd::PutResponse>> EtcdClient::Put(Context ctx, etcd::PutRequest request) {
  return Call<etcd::PutResponse>(std::move(ctx), "/etcdserverpb.KV/Put", std::move(request));
}

Task<absl::StatusOr<etcd::DeleteRangeResponse>> EtcdClient::DeleteRange(
    Context ctx, etcd::DeleteRangeRequest request) {
  return Call<etcd::DeleteRangeResponse>(std::move(ctx), "/etcdserverpb.KV/DeleteRange",
                                         std::move(request));
}

Task<absl::StatusOr<etcd::LeaseGrantResponse>> EtcdClient::LeaseGrant(
    Context ctx, etcd::LeaseGrantRequest request) {
  return Call<etcd::LeaseGrantResponse>(std::move(ctx), "/etcdserverpb.Lease/LeaseGrant",
                                        std::move(request));
}

Task<absl::StatusOr<etcd::LeaseRevokeResponse>> EtcdClient::LeaseRevoke(
    Context ctx, etcd::LeaseRevokeRequest request) {
  return Call<etcd::LeaseRevokeResponse>(std::move(ctx), "/etcdserverpb.Lease/LeaseRevoke",
                                         std::move(request));
}

Task<absl::StatusOr<etcd::LeaseTimeToLiveResponse>> EtcdClient::LeaseTimeToLive(
    Context ctx, etcd::LeaseTimeToLiveRequest request) {
  return Call<etcd::LeaseTimeToLiveResponse>(std::move(ctx), "/etcdserverpb.Lease/LeaseTimeToLive",
                                             std::move(request));
}

Task<absl::StatusOr<std::unique_ptr<EtcdClient::KeepAliveStream>>> EtcdClient::LeaseKeepAlive(
    Context ctx, Context life, etcd::LeaseKeepAliveRequest request) {
  return Open<KeepAliveStream, etcd::LeaseKeepAliveResponse>(
      std::move(ctx), std::move(life), "/etcdserverpb.Lease/LeaseKeepAlive", std::move(request));
}

Task<absl::StatusOr<std::unique_ptr<EtcdClient::WatchStream>>> EtcdClient::Watch(
    Context ctx, Context life, etcd::WatchCreateRequest create) {
  etcd::WatchRequest request;
  *request.mutable_create_request() = std::move(create);
  return Open<WatchStream, etcd::WatchResponse>(std::move(ctx), std::move(life),
                                                "/etcdserverpb.Watch/Watch", std::move(request));
}

}  // namespace micro::registry
