#include "due/gate/forwarder.h"

#include <optional>
#include <utility>

#include "core/context.h"

namespace due {
namespace {

using micro::Context;
using micro::Task;

constexpr absl::Duration kLocatorTime = absl::Seconds(3);

}  // namespace

std::string_view NameOf(ForwardDrop drop) {
  constexpr std::string_view kNames[kForwardDrops] = {
      "invalid", "no route",         "unauthorized", "internal", "unbound",
      "no node", "too many waiting", "locator",      "link"};
  return kNames[static_cast<size_t>(drop)];
}

void Forwarder::Forward(Conn& conn, std::string_view packet) {
  const absl::StatusOr<int32_t> id = packer_.RouteOf(packet);
  if (!id.ok()) return Drop(ForwardDrop::kInvalid);
  // Held while it is used: links may look at other published things.
  const std::shared_ptr<const RouteTable> table = nodes_.Load();
  const RouteTable::Route* const route = table->FindRoute(*id);
  if (route == nullptr) return Drop(ForwardDrop::kNoRoute);
  if ((route->stateful || route->authorized) && conn.uid() == 0)
    return Drop(ForwardDrop::kUnauthorized);
  if (route->internal) return Drop(ForwardDrop::kInternal);
  // What comes behind a packet that waits, waits as well.
  const auto wait = [&] {
    return [this, player = conn.shared_from_this(), kept = std::string(packet)] {
      return DeliverLocated(player, kept);
    };
  };
  if (line_.IsBusy()) {
    const auto added = line_.AddIfBusy(conn.id(), wait());
    if (added == micro::InOrder::Added::kFull) return Drop(ForwardDrop::kTooMany);
    if (added == micro::InOrder::Added::kYes) return;
  }
  if (!route->stateful) return Deliver(route->Next(), conn, packet);
  const int64_t uid = conn.uid();
  if (const std::optional<std::string> nid = locator_.KnownNode(uid, route->alias))
    return DeliverTo(*nid, uid, *table, *route, conn, packet);
  line_.Add(conn.id(), wait());
}

Task<void> Forwarder::DeliverLocated(std::shared_ptr<Conn> conn, std::string packet) {
  if (!life_.status().ok()) co_return Drop(ForwardDrop::kLocator);
  const absl::StatusOr<int32_t> id = packer_.RouteOf(packet);
  std::shared_ptr<const RouteTable> table = nodes_.Load();
  const RouteTable::Route* route = table->FindRoute(*id);
  if (route == nullptr) co_return Drop(ForwardDrop::kNoRoute);
  if (!route->stateful) co_return Deliver(route->Next(), *conn, packet);
  const int64_t uid = conn->uid();
  if (uid == 0) co_return Drop(ForwardDrop::kUnauthorized);
  const absl::StatusOr<std::string> nid =
      co_await locator_.LocateNode(WithTimeout(life_, kLocatorTime), uid, route->alias);
  if (!nid.ok()) co_return Drop(ForwardDrop::kLocator);
  if (nid->empty()) co_return Drop(ForwardDrop::kUnbound);
  table = nodes_.Load();  // nodes may have come meanwhile
  route = table->FindRoute(*id);
  if (route == nullptr) co_return Drop(ForwardDrop::kNoRoute);
  DeliverTo(*nid, uid, *table, *route, *conn, packet);
}

void Forwarder::DeliverTo(const std::string& nid, int64_t uid, const RouteTable& table,
                          const RouteTable::Route& route, Conn& conn, std::string_view packet) {
  const NodePeer* const node = table.FindNode(nid);
  if (node == nullptr) locator_.ForgetNode(uid, route.alias, nid);  // it may have moved since
  Deliver(node, conn, packet);
}

void Forwarder::Deliver(const NodePeer* node, Conn& conn, std::string_view packet) {
  if (node == nullptr) return Drop(ForwardDrop::kNoNode);
  // The key of Trigger, too, so that a node hears of a player's end behind its last packet.
  const absl::Status sent =
      node->link->Send(static_cast<uint64_t>(conn.id()),
                       link::Deliver{.cid = conn.id(), .uid = conn.uid(), .packet = packet});
  if (!sent.ok()) return Drop(ForwardDrop::kLink);
  delivered_.fetch_add(1, std::memory_order_relaxed);
}

void Forwarder::Trigger(link::Event event, int64_t cid, int64_t uid) {
  const auto added = line_.AddIfBusy(cid, [this, event, cid, uid]() -> Task<void> {
    TriggerNow(event, cid, uid);
    co_return;
  });
  if (added != micro::InOrder::Added::kYes) TriggerNow(event, cid, uid);
}

void Forwarder::TriggerNow(link::Event event, int64_t cid, int64_t uid) {
  const std::shared_ptr<const RouteTable> table = nodes_.Load();
  for (const NodePeer* node : table->Listeners(event)) {
    const absl::Status sent = node->link->Send(
        static_cast<uint64_t>(cid), link::Trigger{.event = event, .cid = cid, .uid = uid});
    if (sent.ok()) {
      triggered_.fetch_add(1, std::memory_order_relaxed);
    } else {
      Drop(ForwardDrop::kLink);
    }
  }
}

Forwarder::Counts Forwarder::counts() const {
  Counts counts{.known_nodes = static_cast<int64_t>(nodes_.Load()->nodes().size()),
                .delivered = delivered_,
                .triggered = triggered_};
  for (size_t i = 0; i < kForwardDrops; ++i) counts.dropped[i] = dropped_[i];
  return counts;
}

}  // namespace due
