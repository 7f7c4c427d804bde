#include "tests/interop/echo_checks.h"

#include <fmt/format.h>

#include "core/clock.h"
#include "core/mutex.h"
#include "core/status_macros.h"
#include "core/task_scope.h"

namespace interop {
namespace {

using due::Message;
using micro::Context;
using micro::Task;

// So long, and unlike itself at any other place.
std::string Text(size_t size) {
  std::string text;
  while (text.size() < size) text += fmt::format("{} ", text.size());
  text.resize(size);
  return text;
}

// The connection is as good as before.
Task<absl::Status> StillServes(Context ctx, const Link& link) {
  co_return co_await link.Ask(ctx, {.route = 1, .body = "still there"});
}

Task<absl::Status> Sizes(Context ctx, const Player& player) {
  CO_ASSIGN_OR_RETURN(const Link link, co_await player.Dial(ctx));
  for (const size_t size : {0, 1, 2, 3, 100, 1000, 1371, 1400, 4096, 5000, 65000}) {
    const std::string text = Text(std::min(size, player.packer().options().buffer_bytes));
    CO_RETURN_IF_ERROR(co_await link.Ask(ctx, {.route = 1, .body = text}));
  }
  co_return absl::OkStatus();
}

// Of a signed integer of so many bytes, and of what the echo makes of it.
std::vector<int32_t> Edges(int bytes, int shift) {
  if (bytes == 0) return {0};
  const int32_t largest = static_cast<int32_t>((int64_t{1} << (8 * bytes - 1)) - 1);
  return {0, 1, -1, 2, -2, largest - shift, -largest - 1};
}

Task<absl::Status> Limits(Context ctx, const Player& player) {
  CO_ASSIGN_OR_RETURN(const Link link, co_await player.Dial(ctx));
  const due::PacketOptions& options = player.packer().options();
  for (const int32_t route : Edges(options.route_bytes, player.options().shift)) {
    for (const int32_t seq : Edges(options.seq_bytes, player.options().shift))
      CO_RETURN_IF_ERROR(co_await link.Ask(ctx, {route, seq, "at the edge"}));
  }
  co_return absl::OkStatus();
}

// Both forms of a heartbeat are answered. The client keeps answers to itself, but counts them.
Task<absl::Status> Heartbeats(Context ctx, const Player& player) {
  CO_ASSIGN_OR_RETURN(const Link link, co_await player.Dial(ctx));
  CO_RETURN_IF_ERROR(link.conn().Push(player.packer().ClientHeartbeat()));
  CO_RETURN_IF_ERROR(link.conn().Push(player.packer().Heartbeat(micro::Clock::Real().Now())));
  const Context patient = micro::WithTimeout(ctx, kPatience);
  while (player.counts().packets_in < 2) {
    if (!(co_await micro::Sleep(patient, absl::Milliseconds(5))).ok()) {
      co_return absl::DeadlineExceededError(
          fmt::format("{} of 2 heartbeats were answered", player.counts().packets_in));
    }
  }
  co_return co_await StillServes(ctx, link);
}

Task<absl::Status> EmptyPackets(Context ctx, const Player& player) {
  CO_ASSIGN_OR_RETURN(const Link link, co_await player.Dial(ctx));
  for (int i = 0; i < 3; ++i) {
    CO_RETURN_IF_ERROR(link.conn().Push(std::string_view("\0\0\0\0", due::kSizeBytes)));
  }
  co_return co_await link.Ask(ctx, {.route = 2, .body = "after three empty packets"});
}

// Only the highest bit of the header means something.
Task<absl::Status> ReservedBits(Context ctx, const Player& player) {
  CO_ASSIGN_OR_RETURN(const Link link, co_await player.Dial(ctx));
  const Message message{.route = 3, .body = "with all reserved bits"};
  std::string packet;
  CO_RETURN_IF_ERROR(player.packer().Pack(message, packet));
  packet[due::kSizeBytes] = 0x7f;
  CO_RETURN_IF_ERROR(link.conn().Push(packet));
  co_return co_await link.Expect(ctx, message);
}

// What is too short for its route is dropped, or comes back as it is; the connection stays.
Task<absl::Status> ShortPacket(Context ctx, const Player& player) {
  CO_ASSIGN_OR_RETURN(const Link link, co_await player.Dial(ctx));
  std::string packet(due::kSizeBytes + 1, '\0');
  player.packer().WriteInteger(1, due::kSizeBytes, packet.data());
  CO_RETURN_IF_ERROR(link.conn().Push(packet));
  const Message message{.route = 4, .body = "after a short packet"};
  const absl::Status answered = co_await link.Ask(ctx, message);
  if (answered.code() != absl::StatusCode::kInvalidArgument) co_return answered;
  co_return co_await link.Expect(ctx, message);
}

// All at once, which the client makes one write of.
Task<absl::Status> InOneWrite(Context ctx, const Player& player) {
  CO_ASSIGN_OR_RETURN(const Link link, co_await player.Dial(ctx));
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) texts.push_back(Text(static_cast<size_t>(i)));
  for (int32_t i = 0; i < 100; ++i)
    CO_RETURN_IF_ERROR(link.Send({.route = i, .body = texts[static_cast<size_t>(i)]}));
  for (int32_t i = 0; i < 100; ++i) {
    CO_RETURN_IF_ERROR(
        co_await link.Expect(ctx, {.route = i, .body = texts[static_cast<size_t>(i)]}));
  }
  co_return absl::OkStatus();
}

// So many packets, `window` on their way at a time, which come back in order.
Task<absl::Status> Converse(Context ctx, const Link& link, std::string label, int count,
                            int window) {
  for (int i = 0; i < count + window; ++i) {
    if (i >= window) {
      const int at = i - window;
      const std::string text = fmt::format("{} {}", label, at);
      CO_RETURN_IF_ERROR(co_await link.Expect(ctx, {at % 100, at % 100, text}));
    }
    if (i < count) {
      CO_RETURN_IF_ERROR(link.Send({i % 100, i % 100, fmt::format("{} {}", label, i)}));
    }
  }
  co_return absl::OkStatus();
}

Task<absl::Status> InOrder(Context ctx, const Player& player) {
  CO_ASSIGN_OR_RETURN(const Link link, co_await player.Dial(ctx));
  co_return co_await Converse(ctx, link, "in order", player.options().packets, 16);
}

Task<absl::Status> AtOnce(Context ctx, const Player& player) {
  std::vector<Link> links;
  for (int i = 0; i < player.options().connections; ++i) {
    CO_ASSIGN_OR_RETURN(Link link, co_await player.Dial(ctx));
    links.push_back(std::move(link));
  }
  micro::Mutex mutex;
  absl::Status all;
  const auto converse = [&](size_t i) -> Task<void> {
    const absl::Status status =
        co_await Converse(ctx, links[i], fmt::format("of connection {}", i), 20, 4);
    micro::MutexLock lock(mutex);
    all.Update(status);
  };
  micro::TaskScope scope;
  for (size_t i = 0; i < links.size(); ++i) Spawn(scope, converse(i));
  co_await scope.Done();
  co_return all;
}

std::string PacketOf(const Player& player, int content) {
  std::string packet(due::kSizeBytes + static_cast<size_t>(content), '\0');
  player.packer().WriteInteger(static_cast<uint64_t>(content), due::kSizeBytes, packet.data());
  return packet;
}

Task<absl::Status> Largest(Context ctx, const Player& player) {
  CO_ASSIGN_OR_RETURN(const Link link, co_await player.Dial(ctx));
  const std::string packet = PacketOf(player, player.options().cap);
  CO_RETURN_IF_ERROR(link.conn().Push(packet));
  CO_ASSIGN_OR_RETURN(const std::string got, co_await link.ReceivePacket(ctx));
  if (got != packet) {
    co_return absl::InternalError(
        fmt::format("{} bytes came back, not the {} that were sent", got.size(), packet.size()));
  }
  co_return co_await StillServes(ctx, link);
}

Task<absl::Status> TooLarge(Context ctx, const Player& player) {
  CO_ASSIGN_OR_RETURN(const Link link, co_await player.Dial(ctx));
  CO_RETURN_IF_ERROR(link.conn().Push(PacketOf(player, player.options().cap + 1)));
  const absl::StatusOr<std::string> got = co_await link.ReceivePacket(ctx);
  if (got.status().code() != absl::StatusCode::kUnavailable) {
    co_return absl::InternalError("the connection has not ended");
  }
  CO_ASSIGN_OR_RETURN(const Link another, co_await player.Dial(ctx));
  co_return co_await StillServes(ctx, another);
}

// A server that wants heartbeats gets them.
Task<absl::Status> StaysConnected(Context ctx, const Player& player) {
  CO_ASSIGN_OR_RETURN(const Link link, co_await player.Dial(ctx));
  CO_RETURN_IF_ERROR(co_await micro::Sleep(ctx, 5 * player.options().client.heartbeat_interval));
  co_return co_await StillServes(ctx, link);
}

// With a v2.0 server, the transport's framing stands between these bytes and the wire.
bool IsToday(const PlayerOptions& options) {
  return options.client.packet.dialect == due::Dialect::kV21;
}
bool IsCapped(const PlayerOptions& options) { return options.cap > 0; }
bool IsCappedAndTellsEnds(const PlayerOptions& options) {
  return IsCapped(options) && options.client.network != "kcp";
}
bool HasFastHeartbeats(const PlayerOptions& options) {
  return options.client.heartbeat_interval <= absl::Seconds(1);
}

}  // namespace

const std::vector<PlayerCheck>& EchoChecks() {
  static const std::vector<PlayerCheck> checks = {
      {"sizes", Sizes},
      {"limits of route and seq", Limits},
      {"heartbeats", Heartbeats},
      {"empty packets", EmptyPackets, IsToday},
      {"reserved bits of the header", ReservedBits, IsToday},
      {"a packet without a route", ShortPacket, IsToday},
      {"packets in one write", InOneWrite},
      {"packets in order", InOrder},
      {"connections at once", AtOnce},
      {"heartbeats keep a connection", StaysConnected, HasFastHeartbeats},
      {"the largest packet", Largest, IsCapped},
      {"a packet that is too large", TooLarge, IsCappedAndTellsEnds},
  };
  return checks;
}

}  // namespace interop
