#include "due/node/node.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "core/async.h"
#include "core/log.h"
#include "core/random.h"
#include "core/status_macros.h"
#include "due/cluster/instance_feed.h"
#include "due/cluster/membership.h"
#include "due/node/bindings.h"
#include "due/node/dispatcher.h"
#include "due/node/links.h"

namespace due {

using micro::Context;
using micro::Task;

namespace {

constexpr absl::Duration kMeeting = absl::Seconds(2);     // of a node and the gates that are there
constexpr absl::Duration kLook = absl::Milliseconds(50);  // at who is left, while it drains

}  // namespace

// What runs. What stands further down uses what stands above, and ends before it.
struct Node::Parts {
  Parts(Cluster& cluster, const NodeOptions& options, Dispatch dispatch, Bodies bodies,
        Instance instance, const Router& router, const EventHandlers& events)
      : loops(static_cast<size_t>(options.threads)),
        links(options.links, options.name, cluster.packer(), cluster.locator(), loops, dispatch,
              std::make_shared<const Bodies>(std::move(bodies))),
        dispatcher({.state = [this] { return membership.state(); },
                    .set_state = [this](link::State state) { membership.SetState(state); },
                    .request_timeout = options.request_timeout},
                   router, events, links),
        membership(cluster.instances(), std::move(instance)),
        bindings(cluster.locator(), options.name, options.id),
        gates(cluster.instances(), "gate",
              [this](const std::vector<Instance>& instances) {
                links.SetGates(ReadGates(instances));
              }),
        nodes(cluster.instances(), "node", [this](const std::vector<Instance>& instances) {
          links.SetNodes(ReadNodes(instances));
        }) {}

  micro::net::Loops loops;
  NodeLinks links;
  Dispatcher dispatcher;
  Membership membership;
  Bindings bindings;
  InstanceFeed gates, nodes;
  std::unique_ptr<LinkServer> link;
};

Node::Node(Cluster& cluster, NodeOptions options)
    : cluster_(cluster), options_(std::move(options)) {
  cluster_.Add(*this, Cluster::kNodes);
}

Node::~Node() { cluster_.Remove(*this); }

void Node::OnEvent(link::Event event, EventHandler handler) {
  events_[static_cast<size_t>(event)] = std::move(handler);
}

std::vector<micro::Flag> Node::Flags(bool is_alone) {
  return Prefixed(
      {{"id", &options_.id, "of the node; empty: a random one"},
       {"name", &options_.name, "of the node; a user is bound to one of a name"},
       {"dispatch", &options_.dispatch,
        "of what it sends to nodes without state: random, rr or wrr"},
       {"weight", &options_.weight, "where gates dispatch by weight"},
       {"link", &options_.link.address, "host:port for gates; port 0: a free one"},
       {"advertise", &options_.advertise, "host or host:port that gates reach it by"},
       {"conn_num", &options_.links.conn_num, "connections to each gate and node"},
       {"call_timeout", &options_.links.call_timeout, "of what gates are asked"},
       {"codec", &options_.codec, "of messages: a plugin"},
       {"threads", &options_.threads, "that handlers begin on"},
       {"request_timeout", &options_.request_timeout, "of a handler's context; 0s: without end"}},
      options_.flag_prefix, "node", is_alone);
}

absl::Status Node::Check() {
  const auto bad = [](std::string_view option, std::string_view why) {
    return absl::InvalidArgumentError(fmt::format("node: {} {} (flag --{})", option, why, option));
  };
  if (options_.id.empty()) options_.id = micro::RandomUuid();
  if (options_.name.empty()) return bad("name", "is empty");
  if (options_.weight < 1) return bad("weight", "is below 1");
  if (options_.threads < 1) return bad("threads", "is below 1");
  if (options_.request_timeout < absl::ZeroDuration()) return bad("request_timeout", "is negative");
  options_.links.kind = link::InstanceKind::kNode;
  options_.links.id = options_.id;
  for (const auto& [id, route] : router_.routes()) {
    if (id < 0) {
      return absl::InvalidArgumentError(
          fmt::format("route {} is negative: due's registries do not hold it", id));
    }
  }
  RETURN_IF_ERROR(options_.link.Check());
  return options_.links.Check();
}

Instance Node::ToInstance() const {
  Instance instance{.id = options_.id,
                    .kind = "node",
                    .alias = options_.name,
                    .weight = options_.weight,
                    .metadata = options_.metadata};
  for (size_t event = 1; event < events_.size(); ++event) {
    if (events_[event] != nullptr) instance.events.push_back(static_cast<int32_t>(event));
  }
  for (const auto& [id, route] : router_.routes())
    instance.routes.push_back({id, route.internal, route.stateful, route.authorized});
  std::ranges::sort(instance.routes, {}, &InstanceRoute::id);
  return instance;
}

// Registered last: gates are known by then, and what they send finds its handler.
Task<absl::Status> Node::Start(Context ctx) {
  CO_RETURN_IF_ERROR(Check());
  CO_ASSIGN_OR_RETURN(const Dispatch dispatch, ParseDispatch(options_.dispatch));
  CO_ASSIGN_OR_RETURN(Bodies bodies, Bodies::New(options_.codec, options_.encryptor));
  parts_ = std::make_unique<Parts>(cluster_, options_, dispatch, std::move(bodies), ToInstance(),
                                   router_, events_);
  Parts& parts = *parts_;
  parts.links.SetActors(actors_);
  CO_RETURN_IF_ERROR(co_await parts.bindings.Start(ctx));
  CO_RETURN_IF_ERROR(co_await parts.gates.Start(ctx));
  CO_RETURN_IF_ERROR(co_await parts.nodes.Start(ctx));
  CO_ASSIGN_OR_RETURN(parts.link, LinkServer::Listen(options_.link, parts.dispatcher, parts.loops));
  CO_ASSIGN_OR_RETURN(const std::string endpoint,
                      EndpointOf(options_.link.address, parts.link->port(), options_.advertise));
  CO_RETURN_IF_ERROR(co_await parts.membership.Register(ctx, endpoint));
  micro::log::Info("node started", {{"id", options_.id},
                                    {"name", options_.name},
                                    {"routes", router_.routes().size()},
                                    {"link", endpoint}});
  co_return absl::OkStatus();
}

// The gates of this process have registered by now: the node knows them before its first player comes.
Task<absl::Status> Node::Announce(Context ctx) {
  const Context limited = WithTimeout(ctx, kMeeting);
  while (limited.status().ok()) {
    const auto there = co_await cluster_.instances().Instances(limited, "gate");
    if (!there.ok()) break;  // players may come, and gates later
    const auto known = parts_->links.gates();
    const auto is_known = [&](const Instance& gate) { return known->contains(gate.id); };
    if (std::ranges::all_of(*there, is_known)) break;
    (void)co_await Sleep(limited, absl::Milliseconds(5));
  }
  co_return absl::OkStatus();
}

Task<void> Node::Drain(Context ctx) {
  if (parts_ == nullptr) co_return;
  parts_->membership.Leave();
  co_await parts_->membership.Told();
  while (parts_->bindings.Count() > 0 || actors_.keeping() > 0 ||
         parts_->dispatcher.running() > 0) {
    if (!(co_await Sleep(ctx, kLook)).ok()) break;
  }
}

Task<absl::Status> Node::Stop(Context ctx) {
  if (parts_ == nullptr) co_return absl::OkStatus();
  Parts& parts = *parts_;
  const absl::Status deregistered = co_await parts.membership.Deregister(Context());
  const size_t left = parts.bindings.Count();
  if (parts.link != nullptr) co_await parts.link->Stop(ctx);
  while (parts.dispatcher.running() > 0) {
    if (!(co_await Sleep(ctx, kLook)).ok()) break;
  }
  const int cut = parts.dispatcher.running();
  parts.dispatcher.Cancel();
  co_await parts.dispatcher.Done();
  co_await actors_.Done();
  co_await parts.links.Close(ctx);
  co_await parts.gates.Stop();
  co_await parts.nodes.Stop();
  co_await parts.bindings.Stop();
  micro::log::Info("node stopped",
                   {{"id", options_.id}, {"users bound to it", left}, {"handlers cut off", cut}});
  co_return deregistered;
}

Proxy Node::proxy() const { return Proxy(parts_->links); }
int Node::link_port() const { return parts_->link->port(); }
link::State Node::state() const { return parts_->membership.state(); }
void Node::SetState(link::State state) { parts_->membership.SetState(state); }

NodeCounts Node::counts() const {
  return {.handled = parts_->dispatcher.counts(),
          .users = static_cast<int64_t>(parts_->bindings.Count()),
          .running = parts_->dispatcher.running(),
          .link = parts_->link->counts(),
          .gates = parts_->links.gate_counts(),
          .nodes = parts_->links.node_counts()};
}

}  // namespace due
