// An EtcdClient asks an etcd cluster, over its v3 API: requests and streams that any of several
// endpoints may answer.
//
//   ASSIGN_OR_RETURN(auto client, EtcdClient::New({.addresses = {"10.0.0.1:2379", "10.0.0.2:2379"}}));
//   CO_ASSIGN_OR_RETURN(const etcd::RangeResponse found, co_await client->Range(ctx, request));
//
// The endpoint that answered last is asked first; one that cannot be reached, or does not answer in
// its share of the time, gives way to the next. A request so may be sent twice: the ones here bear
// that. With a user, requests carry a token, which is got anew when etcd no longer takes it.
//
// Requests answer within Options.timeout (5 s by default) and the context. UNAVAILABLE: no endpoint
// answered, the message names them, the flags and what happened. UNAUTHENTICATED: user or password
// is missing or wrong. DEADLINE_EXCEEDED and CANCELLED: the context ended. Others are etcd's own.
// Every method may be called from any thread; coroutines go on on gRPC's threads. The client
// outlives its streams.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/async.h"
#include "core/context.h"
#include "core/mutex.h"
#include "core/task.h"
#include "registry/etcd/etcd.pb.h"
#include "registry/etcd/etcd_endpoint.h"
#include "registry/etcd/etcd_stream.h"
#include "registry/registry.h"

namespace micro::registry {

class EtcdClient {
 public:
  using KeepAliveStream = EtcdStream<etcd::LeaseKeepAliveRequest, etcd::LeaseKeepAliveResponse>;
  using WatchStream = EtcdStream<etcd::WatchRequest, etcd::WatchResponse>;

  // User and password are those of `options`, or go-micro's ETCD_USERNAME and ETCD_PASSWORD where
  // both are set. INVALID_ARGUMENT as OpenEtcdEndpoints, and for a user without password.
  static absl::StatusOr<std::unique_ptr<EtcdClient>> New(const Options& options);

  Task<absl::StatusOr<etcd::RangeResponse>> Range(Context ctx, etcd::RangeRequest request);
  Task<absl::StatusOr<etcd::PutResponse>> Put(Context ctx, etcd::PutRequest request);
  Task<absl::StatusOr<etcd::DeleteRangeResponse>> DeleteRange(Context ctx,
                                                              etcd::DeleteRangeRequest request);
  Task<absl::StatusOr<etcd::LeaseGrantResponse>> LeaseGrant(Context ctx,
                                                            etcd::LeaseGrantRequest request);
  Task<absl::StatusOr<etcd::LeaseRevokeResponse>> LeaseRevoke(Context ctx,
                                                              etcd::LeaseRevokeRequest request);
  Task<absl::StatusOr<etcd::LeaseTimeToLiveResponse>> LeaseTimeToLive(
      Context ctx, etcd::LeaseTimeToLiveRequest request);

  // Open a stream with its first request. They return when the first response has come, which the
  // first Recv hands out. `ctx` bounds the opening, `life` the stream.
  Task<absl::StatusOr<std::unique_ptr<KeepAliveStream>>> LeaseKeepAlive(
      Context ctx, Context life, etcd::LeaseKeepAliveRequest request);
  Task<absl::StatusOr<std::unique_ptr<WatchStream>>> Watch(Context ctx, Context life,
                                                           etcd::WatchCreateRequest create);

  // The next request gets a token anew: for refusals that come inside a stream.
  void ForgetToken();

  absl::Duration timeout() const { return timeout_; }

 private:
  EtcdClient(std::vector<EtcdEndpoint> endpoints, const Options& options);

  template <class Response, class Request>
  Task<absl::StatusOr<Response>> Call(Context ctx, const char* path, Request request);
  template <class Stream, class Response, class Request>
  Task<absl::StatusOr<std::unique_ptr<Stream>>> Open(Context ctx, Context life, const char* path,
                                                     Request request);
  template <class Result, class Attempt>
  Task<absl::StatusOr<Result>> WithToken(Context ctx, Attempt attempt);
  template <class Result, class Attempt>
  Task<absl::StatusOr<Result>> Anywhere(Context ctx, Attempt attempt);

  Task<absl::StatusOr<std::string>> Token(Context ctx);
  Task<absl::StatusOr<std::string>> Authenticate(Context ctx);
  void ForgetToken(const std::string& token);

  // What became of an attempt at one endpoint: it answered, or the next one has its turn.
  void Reached(size_t endpoint);
  void Failed(size_t endpoint, const absl::Status& why);
  absl::Status Explained(const absl::Status& status) const;

  std::vector<EtcdEndpoint> endpoints_;  // never changes
  const std::string addresses_;          // of all, for people
  const absl::Duration timeout_;
  const std::string username_;
  const std::string password_;
  std::atomic<size_t> current_ = 0;
  std::atomic<bool> down_ = false;

  Mutex mutex_;
  std::optional<std::string> token_ ABSL_GUARDED_BY(mutex_);  // empty: etcd asks for none
  bool authenticating_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<OneShot<bool>>> waiters_ ABSL_GUARDED_BY(mutex_);  // for its end
};

}  // namespace micro::registry
