// What handlers and actors of nodes do for players, in whole games.
#include <google/protobuf/wrappers.pb.h>

#include <atomic>
#include <thread>

#include "core/metadata.h"
#include "due/game_fixture.h"

namespace due {
namespace {

TEST_F(GameTest, HandlersContextsTellThePlayerAndEnd) {
  NodeProcess node("n1", absl::ZeroDuration(), {.request_timeout = absl::Seconds(5)});
  node.node.router().Add(9, [](Context ctx, Request& request) -> Task<absl::Status> {
    const bool ends = ctx.remaining() > absl::Seconds(1) && ctx.remaining() <= absl::Seconds(5);
    co_return request.Respond(std::string(*ctx.metadata().Get("player-uid")) + " " +
                              std::string(*ctx.metadata().Get(kPlayerGid)) +
                              (ends ? " ends" : " lasts"));
  });
  ASSERT_THAT(node.Start(), IsOk());
  GateProcess gate("g1");
  Meet({&node}, 1);
  BlockingSocket player = Dial(gate);
  EXPECT_EQ(Ask(player, 9, "", 9), "0 g1 ends");
  Login(player, "7");
  EXPECT_EQ(Ask(player, 9, "", 9), "7 g1 ends");
}

// Turns bytes around, and knows its own by a mark.
class Rot final : public Encryptor {
 public:
  absl::StatusOr<std::string> Encrypt(std::string_view text) const override {
    return "!" + std::string(text.rbegin(), text.rend());
  }
  absl::StatusOr<std::string> Decrypt(std::string_view text) const override {
    if (!text.starts_with('!')) return absl::InvalidArgumentError("not encrypted");
    return std::string(text.rbegin(), text.rend() - 1);
  }
};

TEST_F(GameTest, HandlersReadAndWriteMessagesOfTheNodesCodec) {
  for (const bool is_encrypted : {false, true}) {
    NodeOptions options{.codec = "json"};
    if (is_encrypted) options.encryptor = std::make_shared<Rot>();
    NodeProcess node("n1", absl::ZeroDuration(), std::move(options));
    node.node.router().Add(9, [](Context, Request& request) -> Task<absl::Status> {
      google::protobuf::StringValue name;
      CO_RETURN_IF_ERROR(request.Parse(name));
      name.set_value("Hello " + name.value());
      co_return request.Respond(name);
    });
    ASSERT_THAT(node.Start(), IsOk());
    GateProcess gate("g1");
    Meet({&node}, 1);
    BlockingSocket player = Dial(gate);
    if (is_encrypted) {
      EXPECT_EQ(Ask(player, 9, "!\"nhoJ\"", 13), "!\"nhoJ olleH\"");
    } else {
      EXPECT_EQ(Ask(player, 9, "\"John\"", 12), "\"Hello John\"");
    }
    ASSERT_THAT(player.Write(Packet(9, "{{{")), IsOk());
    EXPECT_TRUE(Eventually([&] { return node.node.counts().handled.failed == 1; }));
  }
}

TEST_F(GameTest, APlayersRequestsComeOneBehindTheOtherAndOthersDoNotWait) {
  NodeProcess node("n1");
  const auto open = std::make_shared<micro::OneShot<bool>>();
  node.node.router().Add(9, [open](Context, Request& request) -> Task<absl::Status> {
    (void)co_await open->Wait();
    co_return request.Respond("waited");
  });
  ASSERT_THAT(node.Start(), IsOk());
  GateProcess gate("g1");
  Meet({&node}, 1);
  BlockingSocket slow = Dial(gate), other = Dial(gate);
  ASSERT_THAT(slow.Write(Packet(9, "", 1) + Packet(1, "behind", 2)), IsOk());
  EXPECT_TRUE(Eventually([&] { return node.node.counts().running == 1; }));
  EXPECT_EQ(Ask(other, 1, "at once", 7), "at once");
  open->TrySet(true);
  EXPECT_EQ(Receive(slow, 9, 6, 1), "waited");
  EXPECT_EQ(Receive(slow, 1, 6, 2), "behind");
}

// A room that players talk in.
class Room : public Actor {
 public:
  Room() {
    router().Add(20, [this](Context, Request& request) -> Task<absl::Status> {
      EXPECT_FALSE(std::exchange(is_busy_, true)) << "one behind the other";
      co_await micro::Offload([] {});
      said_ += request.body();
      is_busy_ = false;
      co_return request.Respond(said_);
    });
    OnEvent(link::Event::kDisconnect, [this](Context, PlayerEvent) -> Task<absl::Status> {
      ++left_;
      co_return absl::OkStatus();
    });
  }
  std::string said_;
  std::atomic<int> left_ = 0;

 private:
  bool is_busy_ = false;
};

TEST_F(GameTest, PlayersShareActors) {
  NodeProcess node("n1", absl::InfiniteDuration());
  Actors& actors = node.node.actors();
  const auto room = std::make_shared<Room>();
  EXPECT_THAT(actors.Spawn("room", "7", room), IsOk());
  EXPECT_THAT(actors.Spawn("room", "7", room), StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_THAT(actors.Spawn("bot", "1", std::make_shared<Actor>(), {.keeps_node = false}), IsOk());
  node.node.router().Add(20, [](Context ctx, Request& request) -> Task<absl::Status> {
    const absl::Status status = co_await request.Next(ctx);
    co_return status.ok() ? status : request.Respond("no room");
  });
  node.node.router().Add(22, [](Context ctx, Request& request) -> Task<absl::Status> {
    CO_RETURN_IF_ERROR(co_await request.BindGate(ctx, std::atoll(request.body().data())));
    co_return request.Respond("ok");
  });
  node.node.router().Add(21, [&](Context, Request& request) -> Task<absl::Status> {
    CO_RETURN_IF_ERROR(actors.Bind(request.uid(), "room", request.body()));
    co_return request.Respond("in");
  });
  node.node.OnEvent(link::Event::kDisconnect,
                    [&](Context ctx, PlayerEvent event) -> Task<absl::Status> {
                      actors.Next(ctx, event);
                      co_return absl::OkStatus();
                    });
  ASSERT_THAT(node.Start(), IsOk());
  GateProcess gate("g1");
  Meet({&node}, 1);
  std::vector<BlockingSocket> players;
  for (int i = 0; i < 4; ++i) {
    players.push_back(Dial(gate));
    EXPECT_EQ(Ask(players.back(), 20, "x", 7), "no room");  // nobody
  }
  for (size_t i = 0; i < 3; ++i) {
    // Bound to the gate alone: the node's drain waits for the room.
    EXPECT_EQ(Ask(players[i], 22, std::to_string(100 + i), 2), "ok");
    EXPECT_EQ(Ask(players[i], 21, "7", 2), "in");
  }
  EXPECT_EQ(Ask(players[3], 20, "x", 7), "no room");
  for (int round = 0; round < 20; ++round) {
    for (size_t i = 0; i < 3; ++i) ASSERT_THAT(players[i].Write(Packet(20, "a", 1)), IsOk());
    size_t longest = 0;
    for (size_t i = 0; i < 3; ++i) {
      const std::string head = players[i].ReadAll(4).value();
      const size_t rest = static_cast<uint8_t>(head[2]) << 8 | static_cast<uint8_t>(head[3]);
      ASSERT_THAT(players[i].ReadAll(rest), IsOk());
      longest = std::max(longest, rest - 5);
    }
    EXPECT_EQ(longest, static_cast<size_t>(3 * (round + 1)));
  }
  players.pop_back();
  EXPECT_TRUE(Eventually([&] { return room->left_ == 1; }));
  const auto length = [](Actor& actor) -> Task<absl::Status> {
    EXPECT_EQ(dynamic_cast<Room&>(actor).said_.size(), 60u);
    co_return absl::OkStatus();
  };
  EXPECT_THAT(BlockOn(actors.Invoke(Context(), "room", "7", length)), IsOk());
  EXPECT_THAT(BlockOn(actors.Invoke(Context(), "room", "8", length)),
              StatusIs(absl::StatusCode::kNotFound));
  std::thread stop([&] { node.Stop(); });
  EXPECT_TRUE(Eventually([&] { return StateOf(gate, "node", "n1") == "hang"; }));
  EXPECT_TRUE(actors.Kill("room", "7"));
  EXPECT_FALSE(actors.Kill("room", "7"));
  stop.join();
}

TEST_F(GameTest, WhatAPlayerSendsBehindAHandlerThatWaitsIsBounded) {
  NodeProcess node("n1");
  const auto open = std::make_shared<micro::OneShot<bool>>();
  node.node.router().Add(9, [open](Context, Request& request) -> Task<absl::Status> {
    (void)co_await open->Wait();
    co_return request.Respond("");
  });
  ASSERT_THAT(node.Start(), IsOk());
  GateProcess gate("g1");
  Meet({&node}, 1);
  BlockingSocket flood = Dial(gate), other = Dial(gate);
  std::string packets = Packet(9, "");
  for (int i = 0; i < 5000; ++i) packets += Packet(1, "x");
  ASSERT_THAT(flood.Write(packets), IsOk());
  EXPECT_TRUE(Eventually([&] { return node.node.counts().handled.overflowed > 3900; }));
  EXPECT_EQ(Ask(other, 1, "served", 6), "served");
  open->TrySet(true);
  EXPECT_EQ(Receive(flood, 9, 0, 1), "");
  for (int i = 0; i < 500; ++i) ASSERT_EQ(Receive(flood, 1, 1, 1), "x");
}
}  // namespace
}  // namespace due
