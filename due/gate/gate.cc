#include "due/gate/gate.h"

#include <utility>

#include "core/async.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/random.h"
#include "core/status_macros.h"
#include "due/cluster/instance_feed.h"
#include "due/cluster/membership.h"
#include "due/gate/forwarder.h"
#include "due/gate/operations.h"
#include "due/session/sessions.h"

namespace due {

using micro::Context;
using micro::Task;

namespace {

constexpr absl::Duration kLook = absl::Milliseconds(50);  // at who is left, while it drains

}  // namespace

// What runs. What stands further down uses what stands above, and ends before it.
struct Gate::Parts {
  Parts(Cluster& cluster, const GateOptions& options, Dispatch dispatch)
      : pool(options.nodes),
        forwarder(cluster.packer(), dispatch, pool, cluster.locator()),
        operations({.gid = options.id,
                    .closes_displaced = options.close_displaced,
                    .trigger = [this](link::Event event, int64_t cid,
                                      int64_t uid) { forwarder.Trigger(event, cid, uid); },
                    .state = [this] { return membership.state(); },
                    .set_state = [this](link::State state) { membership.SetState(state); }},
                   sessions, cluster.locator()),
        membership(cluster.instances(), {.id = options.id,
                                         .kind = "gate",
                                         .alias = options.name,
                                         .metadata = options.metadata}),
        nodes(cluster.instances(), "node", [this](const std::vector<Instance>& instances) {
          forwarder.SetNodes(ReadNodes(instances));
        }) {}

  Hooks PlayerHooks() {
    return {.on_connect =
                [this](Conn& conn) {
                  sessions.Add(conn.shared_from_this());
                  forwarder.Trigger(link::Event::kConnect, conn.id(), 0);
                },
            .on_receive = [this](Conn& conn,
                                 std::string_view packet) { forwarder.Forward(conn, packet); },
            .on_disconnect = [this](Conn& conn, Cause) { operations.Disconnected(conn); }};
  }

  Sessions sessions;
  LinkPool pool;
  Forwarder forwarder;
  GateOperations operations;
  Membership membership;
  InstanceFeed nodes;
  std::unique_ptr<LinkServer> link;
  std::unique_ptr<Server> players;
};

Gate::Gate(Cluster& cluster, GateOptions options)
    : cluster_(cluster), options_(std::move(options)) {
  kcp_flags_.options = options_.network.kcp;
  cluster_.Add(*this, Cluster::kGates);
}

Gate::~Gate() { cluster_.Remove(*this); }

std::vector<micro::Flag> Gate::Flags(bool is_alone) {
  ServerOptions& network = options_.network;
  std::vector<micro::Flag> flags = {
      {"id", &options_.id, "of the gate; empty: a random one"},
      {"name", &options_.name, "of the gate"},
      {"dispatch", &options_.dispatch, "of packets without state: random, rr or wrr"},
      {"network", &network.network, "of the players: tcp, ws or kcp"},
      {"listen", &network.address, "host:port for the players"},
      {"tls_cert", &network.cert_file, "PEM file; with --tls_key: players use TLS"},
      {"tls_key", &network.key_file, "PEM file"},
      {"max_conn_num", &network.max_conn_num, "players at once"},
      {"player_queue_size", &network.write_queue_size, "packets that may wait for a player"},
      {"player_rate", &network.packet_rate,
       "packets that are read of a player in a second; 0: any number"},
      {"heartbeat", &network.heartbeat_interval, "of players; 0s: none are wanted"},
      {"authorize_timeout", &network.authorize_timeout,
       "how long a player may be nobody; 0s: for ever"},
      {"path", &network.path, "of WebSocket; /: any"},
      {"origins", &network.origins, "of WebSocket; *: any"},
      {"link", &options_.link.address, "host:port for nodes; port 0: a free one"},
      {"advertise", &options_.advertise, "host or host:port that nodes reach it by"},
      {"conn_num", &options_.nodes.conn_num, "connections to each node"},
      {"close_displaced", &options_.close_displaced,
       "a login from elsewhere ends the user's old connection"}};
  for (micro::Flag& flag : kcp_flags_.Flags()) flags.push_back(std::move(flag));
  return Prefixed(std::move(flags), options_.flag_prefix, "gate", is_alone);
}

absl::Status Gate::Check() {
  if (options_.id.empty()) options_.id = micro::RandomUuid();
  options_.nodes.kind = link::InstanceKind::kGate;
  options_.nodes.id = options_.id;
  options_.network.packet = cluster_.packer().options();
  options_.network.first_id = absl::ToUnixMicros(micro::Clock::Real().Now());
  ASSIGN_OR_RETURN(options_.network.kcp, kcp_flags_.ToOptions());
  RETURN_IF_ERROR(options_.nodes.Check());
  RETURN_IF_ERROR(options_.link.Check());
  return options_.network.Check();
}

// Players come last: what they send finds its way, and the registry tells nodes of the gate before.
Task<absl::Status> Gate::Start(Context ctx) {
  CO_RETURN_IF_ERROR(Check());
  CO_ASSIGN_OR_RETURN(const Dispatch dispatch, ParseDispatch(options_.dispatch));
  parts_ = std::make_unique<Parts>(cluster_, options_, dispatch);
  CO_RETURN_IF_ERROR(co_await parts_->nodes.Start(ctx));
  CO_ASSIGN_OR_RETURN(parts_->link, LinkServer::Listen(options_.link, parts_->operations));
  CO_ASSIGN_OR_RETURN(const std::string endpoint,
                      EndpointOf(options_.link.address, parts_->link->port(), options_.advertise));
  CO_RETURN_IF_ERROR(co_await parts_->membership.Register(ctx, endpoint));
  CO_ASSIGN_OR_RETURN(parts_->players, Server::Listen(options_.network, parts_->PlayerHooks()));
  parts_->operations.SetPlayers(*parts_->players);
  micro::log::Info("gate started", {{"id", options_.id},
                                    {"network", options_.network.network},
                                    {"port", parts_->players->port()},
                                    {"link", endpoint}});
  co_return absl::OkStatus();
}

Task<void> Gate::Drain(Context ctx) {
  if (parts_ == nullptr) co_return;
  parts_->membership.Leave();
  co_await parts_->membership.Told();
  while (parts_->sessions.Count(SessionKind::kConn) > 0) {
    if (!(co_await Sleep(ctx, kLook)).ok()) break;
  }
}

Task<absl::Status> Gate::Stop(Context ctx) {
  if (parts_ == nullptr) co_return absl::OkStatus();
  Parts& parts = *parts_;
  const absl::Status deregistered = co_await parts.membership.Deregister(Context());
  const int64_t left = parts.sessions.Count(SessionKind::kConn);
  // The players' ends are told to nodes, and to the locator.
  if (parts.players != nullptr) co_await parts.players->Stop(ctx);
  co_await parts.operations.Done();
  if (parts.link != nullptr) co_await parts.link->Stop(ctx);
  co_await parts.operations.Done();
  parts.forwarder.Cancel();
  co_await parts.forwarder.Done();
  co_await parts.nodes.Stop();
  co_await parts.pool.Close(ctx);
  micro::log::Info("gate stopped", {{"id", options_.id}, {"players cut off", left}});
  co_return deregistered;
}

int Gate::port() const { return parts_->players->port(); }
int Gate::link_port() const { return parts_->link->port(); }
link::State Gate::state() const { return parts_->membership.state(); }
void Gate::SetState(link::State state) { parts_->membership.SetState(state); }

GateCounts Gate::counts() const {
  const Forwarder::Counts forward = parts_->forwarder.counts();
  return {.network = parts_->players->counts(),
          .users = parts_->sessions.Count(SessionKind::kUser),
          .channels = parts_->sessions.channels(),
          .known_nodes = forward.known_nodes,
          .delivered = forward.delivered,
          .triggered = forward.triggered,
          .dropped = forward.dropped,
          .link = parts_->link->counts(),
          .nodes = parts_->pool.counts()};
}

}  // namespace due
