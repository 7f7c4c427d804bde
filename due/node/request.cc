#include "due/node/request.h"

#include <utility>

#include "core/status_macros.h"
#include "due/link/client.h"
#include "due/node/actors.h"
#include "due/node/links.h"

namespace due {

using micro::Context;
using micro::Task;

Request::Request(NodeLinks& links, std::string gid, std::string nid, int64_t cid, int64_t uid,
                 std::string packet, const Message& message)
    : links_(links),
      gid_(std::move(gid)),
      nid_(std::move(nid)),
      cid_(cid),
      uid_(uid),
      packet_(std::move(packet)),
      route_(message.route),
      seq_(message.seq),
      body_(std::string_view(packet_).substr(packet_.size() - message.body.size())) {}

namespace {

absl::Status NoCodec() { return absl::FailedPreconditionError("the node has no codec"); }

}  // namespace

absl::StatusOr<std::shared_ptr<LinkClient>> Request::Gate() const {
  if (gid_.empty())
    return absl::FailedPreconditionError("illegal operation: the request came through no gate");
  return links_.GateOf(gid_);
}

absl::Status Request::Respond(std::string_view body) const {
  return Reply({.route = route_, .seq = seq_, .body = body});
}

absl::Status Request::Parse(google::protobuf::Message& message) const {
  if (links_.bodies() == nullptr) return NoCodec();
  return links_.bodies()->Read(body(), !gid_.empty(), message);
}

absl::Status Request::Respond(const google::protobuf::Message& message) const {
  ASSIGN_OR_RETURN(const std::string body, proxy().Write(message));
  return Respond(body);
}

absl::Status Request::Reply(const Message& message) const {
  ASSIGN_OR_RETURN(const std::shared_ptr<LinkClient> gate, Gate());
  std::string packet;
  RETURN_IF_ERROR(links_.packer().Pack(message, packet));
  return gate->Send(static_cast<uint64_t>(cid_),
                    link::Push{.kind = link::SessionKind::kConn, .target = cid_, .packet = packet});
}

Task<absl::Status> Request::Ask(Context ctx, link::Request request) const {
  CO_ASSIGN_OR_RETURN(const std::shared_ptr<LinkClient> gate, Gate());
  CO_ASSIGN_OR_RETURN(const link::Response response, co_await gate->Call(ctx, std::move(request)));
  co_return link::ToStatus(response.code);
}

Task<absl::Status> Request::BindGate(Context ctx, int64_t uid) {
  CO_RETURN_IF_ERROR(co_await Ask(ctx, link::Bind{.cid = cid_, .uid = uid}));
  uid_ = uid;
  co_return absl::OkStatus();
}

Task<absl::Status> Request::UnbindGate(Context ctx) {
  CO_RETURN_IF_ERROR(co_await Ask(ctx, link::Unbind{.uid = uid_}));
  uid_ = 0;
  co_return absl::OkStatus();
}

Task<absl::Status> Request::BindNode(Context ctx) const {
  if (uid_ == 0) co_return absl::FailedPreconditionError("invalid argument: there is no user");
  co_return co_await links_.locator().BindNode(ctx, uid_, links_.name(), links_.nid());
}

Task<absl::Status> Request::UnbindNode(Context ctx) const {
  if (uid_ == 0) co_return absl::FailedPreconditionError("invalid argument: there is no user");
  const auto unbound = co_await links_.locator().UnbindNode(ctx, uid_, links_.name(), links_.nid());
  co_return unbound.status();
}

Task<absl::Status> Request::Disconnect(Context ctx, bool force) const {
  co_return co_await Ask(
      ctx, link::Disconnect{.kind = link::SessionKind::kConn, .target = cid_, .force = force});
}

Task<absl::Status> Request::Next(Context ctx) {
  if (links_.actors() == nullptr)
    co_return absl::FailedPreconditionError("illegal operation: there are no actors here");
  co_return co_await links_.actors()->Next(std::move(ctx), *this);
}

Task<absl::StatusOr<std::string>> Request::GetIp(Context ctx) const {
  CO_RETURN_IF_ERROR(Gate().status());
  co_return co_await proxy().GetIp(ctx,
                                   {.gid = gid_, .kind = link::SessionKind::kConn, .target = cid_});
}

Task<absl::Status> Request::Subscribe(Context ctx, std::string channel) const {
  const int64_t targets[] = {cid_};
  co_return co_await Ask(
      ctx,
      link::Subscribe{.kind = link::SessionKind::kConn, .targets = targets, .channel = channel});
}

Task<absl::Status> Request::Unsubscribe(Context ctx, std::string channel) const {
  const int64_t targets[] = {cid_};
  co_return co_await Ask(
      ctx,
      link::Unsubscribe{.kind = link::SessionKind::kConn, .targets = targets, .channel = channel});
}

}  // namespace due
