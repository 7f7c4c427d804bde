#include "due/node/proxy.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <utility>

#include "core/mutex.h"
#include "core/status_macros.h"
#include "core/task_scope.h"
#include "due/node/links.h"

namespace due {

using micro::Context;
using micro::Task;

namespace {

constexpr size_t kAtOnce = 512;  // calls for as many users

absl::Status NoLocation(int64_t uid) {
  return absl::NotFoundError(fmt::format("not found user's location: user {} is on no gate", uid));
}

// In pieces that a frame takes.
template <class Use>
absl::Status InPieces(std::span<const int64_t> targets, const Use& use) {
  absl::Status status;
  while (!targets.empty()) {
    const size_t some = std::min(targets.size(), link::kMostTargets);
    status.Update(use(targets.first(some)));
    targets = targets.subspan(some);
  }
  return status;
}

}  // namespace

// ---- One session ----

Task<Proxy::Answer> Proxy::Ask(Context ctx, SessionArgs whom, link::Request request) const {
  if (!whom.gid.empty()) {
    CO_ASSIGN_OR_RETURN(const auto gate, links_->GateOf(whom.gid));
    co_return co_await gate->Call(ctx, std::move(request));
  }
  if (whom.kind == SessionKind::kUser)
    co_return co_await AskUser(ctx, whom.target, std::move(request));
  co_return absl::InvalidArgumentError(
      "invalid gate id: a connection's number means something on its gate alone");
}

// Where the user was found first may be old.
Task<Proxy::Answer> Proxy::AskUser(Context ctx, int64_t uid, link::Request request) const {
  for (bool again : {true, false}) {
    CO_ASSIGN_OR_RETURN(const std::string gid, co_await links_->locator().LocateGate(ctx, uid));
    if (gid.empty()) co_return NoLocation(uid);
    const auto gate = links_->GateOf(gid);
    if (gate.ok()) {
      const Answer answer = co_await (*gate)->Call(ctx, request);
      if (!answer.ok() || !again) co_return answer;
      const bool is_gone = answer->code == link::Code::kNotFoundSession ||
                           (std::holds_alternative<link::IsOnline>(request) && answer->value == 0);
      if (!is_gone) co_return answer;
    } else if (!again) {
      co_return gate.status();
    }
    links_->locator().ForgetGate(uid, gid);
  }
  co_return NoLocation(uid);
}

Task<absl::Status> Proxy::Tell(Context ctx, SessionArgs whom, link::Request request) const {
  if (whom.gid.empty()) {
    if (whom.kind != SessionKind::kUser) {
      co_return absl::InvalidArgumentError(
          "invalid gate id: a connection's number means something on its gate alone");
    }
    CO_ASSIGN_OR_RETURN(whom.gid, co_await links_->locator().LocateGate(ctx, whom.target));
    if (whom.gid.empty()) co_return NoLocation(whom.target);
  }
  CO_ASSIGN_OR_RETURN(const auto gate, links_->GateOf(whom.gid));
  co_return gate->Send(static_cast<uint64_t>(whom.target), request);
}

Task<absl::Status> Proxy::Push(Context ctx, PushArgs args) const {
  std::string packet;
  CO_RETURN_IF_ERROR(links_->packer().Pack(args.message, packet));
  const SessionArgs whom{.gid = std::move(args.gid), .kind = args.kind, .target = args.target};
  const link::Push push{
      .kind = args.kind, .target = args.target, .packet = packet, .disconnect = args.disconnect};
  if (!args.ack) co_return co_await Tell(ctx, whom, push);
  CO_ASSIGN_OR_RETURN(const link::Response answer, co_await Ask(ctx, whom, push));
  co_return link::ToStatus(answer.code);
}

Task<absl::Status> Proxy::Disconnect(Context ctx, SessionArgs args, bool force) const {
  const link::Disconnect ask{.kind = args.kind, .target = args.target, .force = force};
  CO_ASSIGN_OR_RETURN(const link::Response answer, co_await Ask(ctx, std::move(args), ask));
  co_return link::ToStatus(answer.code);
}

Task<absl::StatusOr<std::string>> Proxy::GetIp(Context ctx, SessionArgs args) const {
  const link::GetIp ask{.kind = args.kind, .target = args.target};
  CO_ASSIGN_OR_RETURN(const link::Response answer, co_await Ask(ctx, std::move(args), ask));
  CO_RETURN_IF_ERROR(link::ToStatus(answer.code));
  if (answer.value == 0) co_return std::string();
  co_return fmt::format("{}.{}.{}.{}", answer.value >> 24 & 0xff, answer.value >> 16 & 0xff,
                        answer.value >> 8 & 0xff, answer.value & 0xff);
}

Task<absl::StatusOr<bool>> Proxy::IsOnline(Context ctx, SessionArgs args) const {
  const link::IsOnline ask{.kind = args.kind, .target = args.target};
  const Answer answer = co_await Ask(ctx, std::move(args), ask);
  if (absl::IsNotFound(answer.status())) co_return false;  // no gate has the user
  CO_RETURN_IF_ERROR(answer.status());
  if (answer->code == link::Code::kNotFoundSession) co_return false;
  CO_RETURN_IF_ERROR(link::ToStatus(answer->code));
  co_return answer->value != 0;
}

// ---- Many ----

Task<absl::StatusOr<int64_t>> Proxy::Multicast(Context ctx, MulticastArgs args) const {
  std::string packet;
  CO_RETURN_IF_ERROR(links_->packer().Pack(args.message, packet));
  if (args.gid.empty()) {
    if (args.kind != SessionKind::kUser) {
      co_return absl::InvalidArgumentError(
          "invalid gate id: a connection's number means something on its gate alone");
    }
    if (args.ack) {
      co_return co_await PushEach(
          ctx, args.targets, {.kind = args.kind, .packet = packet, .disconnect = args.disconnect});
    }
    CO_RETURN_IF_ERROR(co_await SendPerGate(
        ctx, args.targets, {.kind = args.kind, .packet = packet, .disconnect = args.disconnect}));
    co_return 0;
  }
  CO_ASSIGN_OR_RETURN(const auto gate, links_->GateOf(args.gid));
  int64_t total = 0;
  std::span<const int64_t> left = args.targets;
  while (!left.empty()) {
    const auto some = left.first(std::min(left.size(), link::kMostTargets));
    left = left.subspan(some.size());
    const link::Multicast multicast{
        .kind = args.kind, .targets = some, .packet = packet, .disconnect = args.disconnect};
    if (!args.ack) {
      CO_RETURN_IF_ERROR(gate->Send(static_cast<uint64_t>(some.front()), multicast));
      continue;
    }
    CO_ASSIGN_OR_RETURN(const link::Response answer, co_await gate->Call(ctx, multicast));
    CO_RETURN_IF_ERROR(link::ToStatus(answer.code));
    total += static_cast<int64_t>(answer.value);
  }
  co_return total;
}

// Each by itself, so that who has moved is found.
Task<absl::StatusOr<int64_t>> Proxy::PushEach(Context ctx, const std::vector<int64_t>& uids,
                                              link::Push push) const {
  micro::Mutex mutex;
  int64_t total = 0;
  absl::Status failed;
  const auto one = [&](int64_t uid) -> Task<void> {
    link::Push own = push;
    own.target = uid;
    const Answer answer = co_await AskUser(ctx, uid, own);
    const bool is_there = answer.ok() && answer->code == link::Code::kOk;
    absl::Status status = answer.ok() ? link::ToStatus(answer->code) : answer.status();
    micro::MutexLock lock(mutex);
    if (is_there) ++total;
    if (!is_there && !absl::IsNotFound(status)) failed.Update(std::move(status));
  };
  for (size_t i = 0; i < uids.size(); i += kAtOnce) {
    micro::TaskScope scope;
    for (size_t j = i; j < std::min(i + kAtOnce, uids.size()); ++j) Spawn(scope, one(uids[j]));
    co_await scope.Done();
  }
  if (total == 0) CO_RETURN_IF_ERROR(failed);
  co_return total;
}

Task<absl::Status> Proxy::SendPerGate(Context ctx, const std::vector<int64_t>& uids,
                                      link::Multicast multicast) const {
  std::map<std::string, std::vector<int64_t>> uids_of;
  absl::Status status;
  for (const int64_t uid : uids) {
    absl::StatusOr<std::string> gid = co_await links_->locator().LocateGate(ctx, uid);
    status.Update(gid.status());
    if (gid.ok() && !gid->empty()) uids_of[*std::move(gid)].push_back(uid);
  }
  for (const auto& [gid, there] : uids_of) {
    const auto gate = links_->GateOf(gid);
    status.Update(gate.status());
    if (!gate.ok()) continue;
    status.Update(InPieces(there, [&](std::span<const int64_t> some) {
      multicast.targets = some;
      return (*gate)->Send(static_cast<uint64_t>(some.front()), multicast);
    }));
  }
  co_return status;
}

absl::Status Proxy::TellAll(uint64_t key, const link::Request& request) const {
  const auto gates = links_->gates();
  absl::Status status;
  for (const auto& [id, gate] : *gates) status.Update(gate->Send(key, request));
  return status;
}

Task<absl::StatusOr<int64_t>> Proxy::AskAll(Context ctx, link::Request request) const {
  const auto gates = links_->gates();
  micro::Mutex mutex;
  int64_t total = 0;
  absl::Status failed;
  const auto one = [&](std::shared_ptr<LinkClient> gate) -> Task<void> {
    const Answer answer = co_await gate->Call(ctx, request);
    absl::Status status = answer.ok() ? link::ToStatus(answer->code) : answer.status();
    micro::MutexLock lock(mutex);
    if (status.ok()) total += static_cast<int64_t>(answer->value);
    failed.Update(std::move(status));
  };
  micro::TaskScope scope;
  for (const auto& [id, gate] : *gates) Spawn(scope, one(gate));
  co_await scope.Done();
  if (total == 0) CO_RETURN_IF_ERROR(failed);
  co_return total;
}

Task<absl::StatusOr<int64_t>> Proxy::Broadcast(Context ctx, BroadcastArgs args) const {
  std::string packet;
  CO_RETURN_IF_ERROR(links_->packer().Pack(args.message, packet));
  const link::Broadcast broadcast{
      .kind = args.kind, .packet = packet, .disconnect = args.disconnect};
  if (args.ack) co_return co_await AskAll(ctx, broadcast);
  CO_RETURN_IF_ERROR(TellAll(0, broadcast));
  co_return 0;
}

Task<absl::StatusOr<int64_t>> Proxy::Publish(Context ctx, PublishArgs args) const {
  std::string packet;
  CO_RETURN_IF_ERROR(links_->packer().Pack(args.message, packet));
  const link::Publish publish{
      .channel = args.channel, .packet = packet, .disconnect = args.disconnect};
  if (args.ack) co_return co_await AskAll(ctx, publish);
  CO_RETURN_IF_ERROR(TellAll(std::hash<std::string>()(args.channel), publish));
  co_return 0;
}

Task<absl::StatusOr<int64_t>> Proxy::Stat(Context ctx, SessionKind kind) const {
  return AskAll(std::move(ctx), link::Stat{.kind = kind});
}

template <class Frame>
Task<absl::Status> Proxy::EachGate(Context ctx, ChannelArgs args) const {
  std::map<std::string, std::vector<int64_t>> targets_of;
  if (!args.gid.empty()) {
    targets_of[args.gid] = std::move(args.targets);
  } else if (args.kind != SessionKind::kUser) {
    co_return absl::InvalidArgumentError(
        "invalid gate id: a connection's number means something on its gate alone");
  } else {
    for (const int64_t uid : args.targets) {
      CO_ASSIGN_OR_RETURN(std::string gid, co_await links_->locator().LocateGate(ctx, uid));
      if (!gid.empty()) targets_of[std::move(gid)].push_back(uid);
    }
  }
  for (const auto& [gid, targets] : targets_of) {
    CO_ASSIGN_OR_RETURN(const auto gate, links_->GateOf(gid));
    std::span<const int64_t> left = targets;
    while (!left.empty()) {
      const auto some = left.first(std::min(left.size(), link::kMostTargets));
      left = left.subspan(some.size());
      const Frame frame{.kind = args.kind, .targets = some, .channel = args.channel};
      CO_ASSIGN_OR_RETURN(const link::Response answer, co_await gate->Call(ctx, frame));
      CO_RETURN_IF_ERROR(link::ToStatus(answer.code));
    }
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Proxy::Subscribe(Context ctx, ChannelArgs args) const {
  return EachGate<link::Subscribe>(std::move(ctx), std::move(args));
}

Task<absl::Status> Proxy::Unsubscribe(Context ctx, ChannelArgs args) const {
  return EachGate<link::Unsubscribe>(std::move(ctx), std::move(args));
}

// ---- Nodes, and bindings ----

Task<absl::Status> Proxy::Deliver(Context ctx, DeliverArgs args) const {
  std::string packet;
  CO_RETURN_IF_ERROR(links_->packer().Pack(args.message, packet));
  if (!args.nid.empty() && args.nid == links_->nid())
    co_return absl::FailedPreconditionError("illegal operation: the message is for this very node");
  const NodePeer* node = nullptr;
  std::shared_ptr<const RouteTable> table = links_->nodes();
  if (!args.nid.empty()) {
    node = table->FindNode(args.nid);
  } else {
    const RouteTable::Route* route = table->FindRoute(args.message.route);
    if (route == nullptr) {
      co_return absl::NotFoundError(
          fmt::format("not found route: no node has {}", args.message.route));
    }
    if (route->stateful) {
      CO_ASSIGN_OR_RETURN(args.nid,
                          co_await links_->locator().LocateNode(ctx, args.uid, route->alias));
      if (args.nid.empty()) {
        co_return absl::NotFoundError(
            fmt::format("not found user's location: user {} is bound to no node \"{}\"", args.uid,
                        route->alias));
      }
      node = table->FindNode(args.nid);
    } else {
      node = route->Next();
    }
  }
  if (node == nullptr) {
    co_return absl::UnavailableError(fmt::format("not found endpoint: no node \"{}\" for route {}",
                                                 args.nid, args.message.route));
  }
  co_return node->link->Send(static_cast<uint64_t>(args.uid),
                             link::Deliver{.cid = 0, .uid = args.uid, .packet = packet});
}

Task<absl::Status> Proxy::BindGate(Context ctx, std::string gid, int64_t cid, int64_t uid) const {
  CO_ASSIGN_OR_RETURN(const auto gate, links_->GateOf(gid));
  CO_ASSIGN_OR_RETURN(const link::Response answer,
                      co_await gate->Call(ctx, link::Bind{.cid = cid, .uid = uid}));
  co_return link::ToStatus(answer.code);
}

Task<absl::Status> Proxy::UnbindGate(Context ctx, int64_t uid) const {
  CO_ASSIGN_OR_RETURN(const link::Response answer,
                      co_await AskUser(ctx, uid, link::Unbind{.uid = uid}));
  co_return link::ToStatus(answer.code);
}

Task<absl::Status> Proxy::BindNode(Context ctx, int64_t uid, std::string name,
                                   std::string nid) const {
  if (name.empty()) name = links_->name();
  if (nid.empty()) nid = links_->nid();
  return links_->locator().BindNode(std::move(ctx), uid, std::move(name), std::move(nid));
}

Task<absl::Status> Proxy::UnbindNode(Context ctx, int64_t uid, std::string name,
                                     std::string nid) const {
  if (name.empty()) name = links_->name();
  if (nid.empty()) nid = links_->nid();
  const absl::StatusOr<bool> unbound =
      co_await links_->locator().UnbindNode(ctx, uid, std::move(name), std::move(nid));
  co_return unbound.status();
}

absl::StatusOr<std::string> Proxy::Write(const google::protobuf::Message& message) const {
  if (links_->bodies() == nullptr) return absl::FailedPreconditionError("there is no codec");
  return links_->bodies()->Write(message, /*is_players=*/true);
}

std::vector<std::string> Proxy::gates() const {
  std::vector<std::string> ids;
  const auto gates = links_->gates();
  for (const auto& [id, link] : *gates) ids.push_back(id);
  return ids;
}

std::vector<std::string> Proxy::nodes() const {
  std::vector<std::string> ids;
  const auto table = links_->nodes();
  for (const NodePeer& node : table->nodes()) ids.push_back(node.id);
  return ids;
}

Locator& Proxy::locator() const { return links_->locator(); }
const Packer& Proxy::packer() const { return links_->packer(); }

}  // namespace due
