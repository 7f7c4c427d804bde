#include "due/gate/operations.h"

#include <arpa/inet.h>

#include <utility>
#include <variant>

#include "core/log.h"

namespace due {
namespace {

using link::Code;
using micro::Context;
using micro::Task;

constexpr absl::Duration kLocatorTime =
    absl::Seconds(2);  // a caller waits for 3 s, an answer for 2.5

// The number of an IPv4 address, also in an IPv6 one; 0: it is none.
uint32_t Ipv4Of(std::string_view address) {
  std::string host(address.substr(0, address.rfind(':')));
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  if (host.starts_with("::ffff:")) host = host.substr(7);
  in_addr number = {};
  return inet_pton(AF_INET, host.c_str(), &number) == 1 ? ntohl(number.s_addr) : 0;
}

// Whether a packet was queued for a connection, which ends after it if it is to.
bool Write(Conn& conn, std::string_view packet, bool disconnect) {
  const bool is_queued = conn.Push(packet).ok();
  if (disconnect) conn.Close(/*force=*/false);
  return is_queued;
}

}  // namespace

void GateOperations::Handle(const std::shared_ptr<const LinkPeer>&, const link::Request& request,
                            LinkReply reply) {
  std::visit([&](const auto& asked) { Ask(asked, std::move(reply)); }, request);
}

// ---- Who is bound to what ----

void GateOperations::Ask(const link::Bind& bind, LinkReply reply) {
  absl::StatusOr<Bound> bound = sessions_.Bind(bind.cid, bind.uid);
  if (!bound.ok()) {
    return reply.Done(absl::IsNotFound(bound.status()) ? Code::kNotFoundSession
                                                       : Code::kInternalError);
  }
  if (settings_.closes_displaced && bound->displaced != nullptr)
    bound->displaced->Close(/*force=*/false);
  Spawn(scope_, TellBound(*std::move(bound), bind.cid, bind.uid, std::move(reply)));
}

Task<void> GateOperations::TellBound(Bound bound, int64_t cid, int64_t uid, LinkReply reply) {
  const Context ctx = WithTimeout(Context(), kLocatorTime);
  if (bound.previous_uid != 0) (void)co_await Settle(ctx, bound.previous_uid);
  const absl::Status settled = co_await Settle(ctx, uid);
  if (!settled.ok()) {
    micro::log::Warn("a user could not be bound: the locator failed",
                     {{"uid", uid}, {"error", settled}});
    if (bound.is_new) sessions_.Unbind(uid, bound.epoch);
    co_return reply.Done(Code::kInternalError);
  }
  // The player may have gone, or the user come back elsewhere, meanwhile: nobody hears of this bind
  // behind that.
  const ConnPtr now = sessions_.Find(SessionKind::kUser, uid);
  if (now == nullptr || now->id() != cid) co_return reply.Done(Code::kNotFoundSession);
  settings_.trigger(link::Event::kReconnect, cid, uid);
  reply.Done(Code::kOk);
}

void GateOperations::Ask(const link::Unbind& unbind, LinkReply reply) {
  if (unbind.uid == 0) return reply.Done(Code::kInternalError);
  if (!sessions_.Unbind(unbind.uid)) return reply.Done(Code::kNotFoundSession);
  Spawn(scope_, TellUnbound(unbind.uid, std::move(reply)));
}

Task<void> GateOperations::TellUnbound(int64_t uid, LinkReply reply) {
  reply.Done((co_await Settle(WithTimeout(Context(), kLocatorTime), uid)).ok()
                 ? Code::kOk
                 : Code::kInternalError);
}

void GateOperations::Disconnected(Conn& conn) {
  const int64_t cid = conn.id();
  const int64_t uid = sessions_.Remove(cid);
  if (uid == 0) return settings_.trigger(link::Event::kDisconnect, cid, 0);
  Spawn(scope_, TellGone(cid, uid));
}

Task<void> GateOperations::TellGone(int64_t cid, int64_t uid) {
  const absl::Status settled = co_await Settle(WithTimeout(Context(), kLocatorTime), uid);
  if (!settled.ok()) {
    micro::log::Warn("the locator still has a user who has gone",
                     {{"uid", uid}, {"error", settled}});
  }
  settings_.trigger(link::Event::kDisconnect, cid, uid);
}

// Has the locator say what the sessions say of a user. While it is asked they may change: whoever
// changed them asks as well, and the last to look has seen the last change.
Task<absl::Status> GateOperations::Settle(Context ctx, int64_t uid) {
  bool is_here = sessions_.Find(SessionKind::kUser, uid) != nullptr;
  while (true) {
    absl::Status status;
    if (is_here) {
      status = co_await locator_.BindGate(ctx, uid, settings_.gid);
    } else {
      status = (co_await locator_.UnbindGate(ctx, uid, settings_.gid)).status();
    }
    const bool is_still = sessions_.Find(SessionKind::kUser, uid) != nullptr;
    if (!status.ok() || is_still == std::exchange(is_here, is_still)) co_return status;
  }
}

// ---- Who is there ----

void GateOperations::Ask(const link::GetIp& ask, LinkReply reply) {
  const ConnPtr conn = sessions_.Find(ask.kind, ask.target);
  if (conn == nullptr) return reply.Done(Code::kNotFoundSession);
  reply.Done(Code::kOk, Ipv4Of(conn->remote_address()));
}

void GateOperations::Ask(const link::Stat& ask, LinkReply reply) {
  reply.Done(Code::kOk, static_cast<uint64_t>(sessions_.Count(ask.kind)));
}

void GateOperations::Ask(const link::IsOnline& ask, LinkReply reply) {
  reply.Done(Code::kOk, sessions_.Find(ask.kind, ask.target) != nullptr ? 1 : 0);
}

void GateOperations::Ask(const link::Disconnect& ask, LinkReply reply) {
  const ConnPtr conn = sessions_.Find(ask.kind, ask.target);
  if (conn == nullptr) return reply.Done(Code::kNotFoundSession);
  conn->Close(ask.force);
  reply.Done(Code::kOk);
}

void GateOperations::Ask(const link::GetState&, LinkReply reply) {
  reply.Done(Code::kOk, static_cast<uint64_t>(settings_.state()));
}

void GateOperations::Ask(const link::SetState& ask, LinkReply reply) {
  settings_.set_state(ask.state);
  reply.Done(Code::kOk);
}

// ---- What is to be written ----

void GateOperations::Ask(const link::Push& push, LinkReply reply) {
  const ConnPtr conn = sessions_.Find(push.kind, push.target);
  if (conn != nullptr) {
    return reply.Done(Write(*conn, push.packet, push.disconnect) ? Code::kOk
                                                                 : Code::kInternalError);
  }
  // The locator may believe that the user is here.
  if (push.kind == SessionKind::kUser)
    Spawn(scope_, [](GateOperations* self, int64_t uid) -> Task<void> {
      (void)co_await self->Settle(WithTimeout(Context(), kLocatorTime), uid);
    }(this, push.target));
  reply.Done(Code::kNotFoundSession);
}

void GateOperations::Ask(const link::Multicast& multicast, LinkReply reply) {
  uint64_t total = 0;
  for (const int64_t target : multicast.targets) {
    const ConnPtr conn = sessions_.Find(multicast.kind, target);
    if (conn != nullptr && Write(*conn, multicast.packet, multicast.disconnect)) ++total;
  }
  reply.Done(Code::kOk, total);
}

void GateOperations::Ask(const link::Broadcast& broadcast, LinkReply reply) {
  Server* const players = players_;
  if (players == nullptr) return reply.Done(Code::kOk);  // nobody can be there yet
  const bool to_users = broadcast.kind == SessionKind::kUser;
  const auto is_meant = [](const Conn& conn) { return conn.uid() != 0; };
  const absl::Status sent = to_users ? players->Broadcast(broadcast.packet, is_meant)
                                     : players->Broadcast(broadcast.packet);
  if (!sent.ok()) return reply.Done(Code::kInternalError);
  const auto total = static_cast<uint64_t>(sessions_.Count(broadcast.kind));
  if (broadcast.disconnect) {
    for (const ConnPtr& conn : sessions_.All(broadcast.kind)) conn->Close(/*force=*/false);
  }
  reply.Done(Code::kOk, total);
}

void GateOperations::Ask(const link::Publish& publish, LinkReply reply) {
  uint64_t total = 0;
  for (const ConnPtr& conn : sessions_.Subscribers(publish.channel)) {
    if (Write(*conn, publish.packet, publish.disconnect)) ++total;
  }
  reply.Done(Code::kOk, total);
}

void GateOperations::Ask(const link::Subscribe& subscribe, LinkReply reply) {
  for (const int64_t target : subscribe.targets)
    sessions_.Subscribe(subscribe.kind, target, subscribe.channel);
  reply.Done(Code::kOk);
}

void GateOperations::Ask(const link::Unsubscribe& unsubscribe, LinkReply reply) {
  for (const int64_t target : unsubscribe.targets)
    sessions_.Unsubscribe(unsubscribe.kind, target, unsubscribe.channel);
  reply.Done(Code::kOk);
}

}  // namespace due
