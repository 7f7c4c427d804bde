#include "tests/interop/player_link.h"

#include <fmt/format.h>

#include <any>

#include "core/status_macros.h"
#include "core/strings.h"
#include "tests/interop/shifted.h"

namespace interop {
namespace {

using micro::Context;
using micro::Task;
using InboxPtr = std::shared_ptr<Link::Inbox>;

constexpr size_t kInbox = 1 << 16;  // packets that nobody has asked for

InboxPtr InboxOf(due::Conn& conn) { return std::any_cast<InboxPtr>(conn.attr().Get("inbox")); }

// As much of a text as a line of output bears.
std::string_view Begin(std::string_view text) { return text.substr(0, 40); }

due::Hooks InboxHooks() {
  due::Hooks hooks;
  hooks.on_connect = [](due::Conn& conn) {
    conn.attr().Set("inbox", std::make_shared<Link::Inbox>(kInbox));
  };
  hooks.on_receive = [](due::Conn& conn, std::string_view packet) {
    InboxOf(conn)->Push(std::string(packet));
  };
  hooks.on_disconnect = [](due::Conn& conn, due::Cause cause) {
    InboxOf(conn)->Close(absl::UnavailableError(
        fmt::format("the connection has ended, cause: {}", due::NameOf(cause))));
  };
  return hooks;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Player>> Player::New(PlayerOptions options) {
  ASSIGN_OR_RETURN(const due::Packer packer, due::Packer::New(options.client.packet));
  std::unique_ptr<Player> player(new Player(std::move(options), packer));
  due::ClientOptions client = player->options_.client;
  ASSIGN_OR_RETURN(player->client_, due::Client::New(client, InboxHooks()));
  client.address = player->options_.other_address;
  if (client.address.empty()) return player;
  ASSIGN_OR_RETURN(player->other_, due::Client::New(client, InboxHooks()));
  return player;
}

Task<absl::StatusOr<Link>> Player::Dial(Context ctx) const { return DialBy(ctx, *client_); }
Task<absl::StatusOr<Link>> Player::DialOther(Context ctx) const { return DialBy(ctx, *other_); }

Task<absl::StatusOr<Link>> Player::DialBy(Context ctx, due::Client& client) const {
  CO_ASSIGN_OR_RETURN(std::shared_ptr<due::Conn> conn, co_await client.Dial(ctx));
  InboxPtr inbox = InboxOf(*conn);
  co_return Link(std::move(conn), std::move(inbox), packer_, options_.shift);
}

absl::Status Link::Send(const due::Message& message) const {
  std::string packet;
  RETURN_IF_ERROR(packer_.Pack(message, packet));
  return conn_->Push(packet);
}

Task<absl::StatusOr<std::string>> Link::ReceivePacket(Context ctx) const {
  co_return co_await inbox_->Pop(micro::WithTimeout(ctx, kPatience));
}

Task<absl::StatusOr<Received>> Link::Receive(Context ctx) const {
  CO_ASSIGN_OR_RETURN(const std::string packet, co_await ReceivePacket(ctx));
  CO_ASSIGN_OR_RETURN(const due::Message message, packer_.Unpack(packet));
  co_return Received{message.route, message.seq, std::string(message.body)};
}

Task<absl::Status> Link::Expect(Context ctx, due::Message message) const {
  const int32_t route = Shifted(message.route, shift_);
  const int32_t seq = packer_.options().seq_bytes == 0 ? 0 : Shifted(message.seq, shift_);
  const std::string wanted = fmt::format("route {} seq {} \"{}\" ({} bytes)", route, seq,
                                         Begin(message.body), message.body.size());
  absl::StatusOr<Received> got = co_await Receive(ctx);
  if (!got.ok()) {
    co_return absl::Status(got.status().code(),
                           micro::ToAbsl(fmt::format("waiting for {}: {}", wanted,
                                                     std::string(got.status().message()))));
  }
  if (got->route != route || got->seq != seq || got->body != message.body) {
    co_return absl::InternalError(fmt::format("got route {} seq {} \"{}\" ({} bytes), wanted {}",
                                              got->route, got->seq, Begin(got->body),
                                              got->body.size(), wanted));
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Link::Ask(Context ctx, due::Message message) const {
  CO_RETURN_IF_ERROR(Send(message));
  co_return co_await Expect(ctx, message);
}

}  // namespace interop
