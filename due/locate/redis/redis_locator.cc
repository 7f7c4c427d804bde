// The locator "redis": users of a cluster, in Redis as due's own locator lays them there.
//
//   P:locate:user:<uid>:gate   a string, the gate's id
//   P:locate:user:<uid>:node   a hash, ids of nodes by their names
//   P:locate:cluster:gate:event, P:locate:cluster:node:event   channels of events (location_json.h)
//
// where P is Options.prefix. The events of one locator leave in the order of its calls' answers.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>

#include "core/log.h"
#include "core/net/host_port.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "due/locate/location_feed.h"
#include "due/locate/location_json.h"
#include "due/locate/locator.h"
#include "due/locate/redis/redis_client.h"
#include "due/locate/redis/redis_subscriber.h"

namespace due {
namespace {

using micro::Context;
using micro::Task;

// Compare and delete: 1 when it was there and is gone.
constexpr const char* kUnbindGate =
    "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end "
    "return redis.call('DEL', KEYS[1])";
constexpr const char* kUnbindNode =
    "if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end "
    "return redis.call('HDEL', KEYS[1], ARGV[1])";

class RedisLocator final : public Locator {
 public:
  RedisLocator(std::shared_ptr<const RedisSettings> settings, const std::string& prefix)
      : prefix_(prefix + ":locate:"),
        settings_(settings),
        feed_(std::make_shared<LocationFeed>()),
        client_(std::make_shared<RedisClient>(settings)),
        subscriber_(settings,
                    {.message =
                         [feed = feed_](const std::string& channel, const std::string& message) {
                           Publish(*feed, channel, message);
                         },
                     // Whoever remembered something will ask for it.
                     .missed =
                         [feed = feed_, client = std::weak_ptr(client_)] {
                           if (const auto alive = client.lock()) alive->Retry();
                           feed->Publish({});
                         }}) {}

  std::string_view name() const override { return "redis"; }

  Task<absl::StatusOr<std::string>> LocateGate(Context ctx, int64_t uid) override {
    RedisCommand get = {"GET", GateKey(uid)};
    CO_ASSIGN_OR_RETURN(RedisReply reply, co_await client_->Call(ctx, std::move(get)));
    co_return std::move(reply.text);
  }

  Task<absl::StatusOr<std::string>> LocateNode(Context ctx, int64_t uid,
                                               std::string name) override {
    RedisCommand get = {"HGET", NodeKey(uid), std::move(name)};
    CO_ASSIGN_OR_RETURN(RedisReply reply, co_await client_->Call(ctx, std::move(get)));
    co_return std::move(reply.text);
  }

  Task<absl::StatusOr<Nodes>> LocateNodes(Context ctx, int64_t uid) override {
    RedisCommand get = {"HGETALL", NodeKey(uid)};
    CO_ASSIGN_OR_RETURN(RedisReply reply, co_await client_->Call(ctx, std::move(get)));
    Nodes nodes;
    for (size_t i = 0; i + 1 < reply.elements.size(); i += 2)
      nodes[std::move(reply.elements[i].text)] = std::move(reply.elements[i + 1].text);
    co_return nodes;
  }

  Task<absl::Status> BindGate(Context ctx, int64_t uid, std::string gid) override {
    CO_RETURN_IF_ERROR(CheckLocation({{"gate id", gid}}));
    RedisCommand set = {"SET", GateKey(uid), gid, "KEEPTTL"};
    CO_RETURN_IF_ERROR((co_await client_->Call(ctx, std::move(set))).status());
    co_return co_await Tell(ctx, {LocationEvent::kBindGate, uid, std::move(gid), "gate", ""});
  }

  Task<absl::Status> BindNode(Context ctx, int64_t uid, std::string name,
                              std::string nid) override {
    CO_RETURN_IF_ERROR(CheckLocation({{"node name", name}, {"node id", nid}}));
    RedisCommand set = {"HSET", NodeKey(uid), name, nid};
    CO_RETURN_IF_ERROR((co_await client_->Call(ctx, std::move(set))).status());
    co_return co_await Tell(
        ctx, {LocationEvent::kBindNode, uid, std::move(nid), "node", std::move(name)});
  }

  Task<absl::StatusOr<bool>> UnbindGate(Context ctx, int64_t uid, std::string gid) override {
    CO_RETURN_IF_ERROR(CheckLocation({{"gate id", gid}}));
    RedisCommand unbind = {"EVAL", kUnbindGate, "1", GateKey(uid), gid};
    CO_ASSIGN_OR_RETURN(const RedisReply reply, co_await client_->Call(ctx, std::move(unbind)));
    if (reply.integer == 0) co_return false;
    CO_RETURN_IF_ERROR(
        co_await Tell(ctx, {LocationEvent::kUnbindGate, uid, std::move(gid), "gate", ""}));
    co_return true;
  }

  Task<absl::StatusOr<bool>> UnbindNode(Context ctx, int64_t uid, std::string name,
                                        std::string nid) override {
    CO_RETURN_IF_ERROR(CheckLocation({{"node name", name}, {"node id", nid}}));
    RedisCommand unbind = {"EVAL", kUnbindNode, "1", NodeKey(uid), name, nid};
    CO_ASSIGN_OR_RETURN(const RedisReply reply, co_await client_->Call(ctx, std::move(unbind)));
    if (reply.integer == 0) co_return false;
    CO_RETURN_IF_ERROR(co_await Tell(
        ctx, {LocationEvent::kUnbindNode, uid, std::move(nid), "node", std::move(name)}));
    co_return true;
  }

  Task<absl::StatusOr<std::unique_ptr<LocationWatcher>>> Watch(Context ctx,
                                                               LocationWatch watch) override {
    // Before the channels are, so that nothing falls between.
    std::unique_ptr<LocationWatcher> watcher = feed_->Watch(watch);
    if (watch.gates) CO_RETURN_IF_ERROR(co_await subscriber_.Subscribe(ctx, Channel("gate")));
    if (watch.nodes) CO_RETURN_IF_ERROR(co_await subscriber_.Subscribe(ctx, Channel("node")));
    co_return watcher;
  }

 private:
  std::string GateKey(int64_t uid) const { return fmt::format("{}user:{}:gate", prefix_, uid); }
  std::string NodeKey(int64_t uid) const { return fmt::format("{}user:{}:node", prefix_, uid); }
  std::string Channel(std::string_view kind) const {
    return fmt::format("{}cluster:{}:event", prefix_, kind);
  }

  // An event that could not be sent is an error although the change stands: who tries again tells
  // all.
  Task<absl::Status> Tell(Context ctx, LocationEvent event) {
    RedisCommand publish = {"PUBLISH", Channel(event.ins_kind), ToJson(event)};
    co_return (co_await client_->Call(ctx, std::move(publish))).status();
  }

  static void Publish(LocationFeed& feed, const std::string& channel, const std::string& message) {
    const absl::StatusOr<LocationEvent> event = ParseLocationEvent(message);
    if (event.ok()) return feed.Publish(*event);
    // Whatever it was to say, it was missed.
    micro::log::Warn("an event of the locator cannot be read",
                     {{"channel", channel}, {"bytes", message.size()}, {"error", event.status()}});
    feed.Publish({});
  }

  const std::string prefix_;
  const std::shared_ptr<const RedisSettings> settings_;
  const std::shared_ptr<LocationFeed> feed_;
  const std::shared_ptr<RedisClient> client_;
  RedisSubscriber subscriber_;
};

absl::StatusOr<std::unique_ptr<Locator>> NewRedisLocator(const LocatorOptions& options) {
  if (options.addresses.size() > 1) {
    return absl::InvalidArgumentError(
        "the locator \"redis\" takes one address (flag --locator_address): Redis Cluster is not "
        "spoken");
  }
  if (options.db < 0)
    return absl::InvalidArgumentError("the locator's database (db) must not be negative");
  if (!options.username.empty() && options.password.empty())
    return absl::InvalidArgumentError("the locator's user needs a password");
  auto settings = std::make_shared<RedisSettings>();
  settings->address = options.addresses.empty() ? "127.0.0.1:6379" : options.addresses[0];
  RETURN_IF_ERROR(micro::net::ParseHostPort(settings->address).status());
  settings->username = options.username;
  settings->password = options.password;
  settings->db = options.db;
  if (options.timeout > absl::ZeroDuration()) settings->timeout = options.timeout;
  if (!options.ca_file.empty() || !options.cert_file.empty() || !options.key_file.empty()) {
    ASSIGN_OR_RETURN(settings->tls, micro::net::NewClientTls({.ca = options.ca_file,
                                                              .cert = options.cert_file,
                                                              .key = options.key_file}));
  }
  return std::make_unique<RedisLocator>(std::move(settings),
                                        options.prefix.empty() ? "due:locate" : options.prefix);
}

MICRO_PLUGIN(Locator, "redis", NewRedisLocator);

}  // namespace
}  // namespace due
