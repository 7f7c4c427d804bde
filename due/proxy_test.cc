// What reaches players from nodes and meshes, wherever they are, in whole games.
#include <set>

#include "due/game_fixture.h"
#include "due/mesh/mesh.h"

namespace due {
namespace {

using ::testing::UnorderedElementsAre;

constexpr SessionKind kConn = SessionKind::kConn;

class ProxyTest : public GameTest {
 protected:
  void SetUp() override {
    ASSERT_THAT(node_.Start(), IsOk());
    one_.emplace("g1");
    two_.emplace("g2");
    Meet({&node_}, 2);
    // A gate hears of the node behind its start.
    for (GateProcess* gate : {&*one_, &*two_}) {
      std::optional<BlockingSocket>& player = players_[gate == &*one_ ? 0 : 1];
      player.emplace(Dial(*gate));
      Login(*player, gate == &*one_ ? "1001" : "1002");
    }
  }

  Proxy proxy() const { return node_.node.proxy(); }
  static Message Say(std::string_view body) { return {.route = 50, .body = body}; }

  NodeProcess node_{"n1"};
  std::optional<GateProcess> one_, two_;
  std::array<std::optional<BlockingSocket>, 2> players_;
};

TEST_F(ProxyTest, PushesToUsersWhereverTheyAre) {
  for (const bool ack : {false, true}) {
    for (int64_t i : {0, 1}) {
      EXPECT_THAT(BlockOn(proxy().Push(Context(),
                                       {.target = 1001 + i, .message = Say("hello"), .ack = ack})),
                  IsOk());
      EXPECT_EQ(Receive(*players_[static_cast<size_t>(i)], 50, 5), "hello");
    }
  }
  EXPECT_THAT(BlockOn(proxy().Push(Context(), {.target = 7, .message = Say("hello"), .ack = true})),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(BlockOn(proxy().Push(Context(), {.kind = kConn, .target = 1, .message = Say("x")})),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("invalid gate id")));
  EXPECT_THAT(BlockOn(proxy().Push(Context(), {.gid = "g9", .target = 1, .message = Say("x")})),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("g9")));
}

TEST_F(ProxyTest, PushesAndThenEndsTheConnection) {
  ASSERT_THAT(
      BlockOn(proxy().Push(Context(), {.target = 1001, .message = Say("bye"), .disconnect = true})),
      IsOk());
  EXPECT_EQ(Receive(*players_[0], 50, 3), "bye");
  EXPECT_THAT(players_[0]->Read(), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_F(ProxyTest, PushesToManyAndTellsHowMany) {
  const auto total = [](const absl::StatusOr<int64_t>& answer) { return answer.value_or(-1); };
  const std::vector<int64_t> uids = {1001, 1002, 7};
  EXPECT_EQ(total(BlockOn(proxy().Multicast(
                Context(), {.targets = uids, .message = Say("many"), .ack = true}))),
            2);
  EXPECT_EQ(total(BlockOn(proxy().Multicast(Context(), {.targets = uids, .message = Say("told")}))),
            0);
  EXPECT_EQ(total(BlockOn(proxy().Multicast(
                Context(), {.gid = "g2", .targets = uids, .message = Say("some"), .ack = true}))),
            1);
  EXPECT_EQ(total(BlockOn(proxy().Broadcast(Context(), {.message = Say("all!"), .ack = true}))), 2);
  EXPECT_EQ(total(BlockOn(proxy().Stat(Context(), kConn))), 2);
  EXPECT_EQ(total(BlockOn(proxy().Stat(Context(), SessionKind::kUser))), 2);
  // What went without an answer may come behind what came later.
  const auto receive = [&](size_t player, int count) {
    std::set<std::string> all;
    for (int i = 0; i < count; ++i) all.insert(Receive(*players_[player], 50, 4));
    return all;
  };
  EXPECT_THAT(receive(0, 3), UnorderedElementsAre("many", "told", "all!"));
  EXPECT_THAT(receive(1, 4), UnorderedElementsAre("many", "told", "some", "all!"));
}

TEST_F(ProxyTest, PublishesToChannelsOfAllGates) {
  const auto publish = [&](bool ack) {
    return BlockOn(
               proxy().Publish(Context(), {.channel = "room", .message = Say("news"), .ack = ack}))
        .value_or(-1);
  };
  EXPECT_EQ(publish(true), 0);  // a channel that nobody has
  ASSERT_THAT(
      BlockOn(proxy().Subscribe(Context(), {.targets = {1001, 1002, 7}, .channel = "room"})),
      IsOk());
  EXPECT_EQ(publish(true), 2);
  ASSERT_THAT(BlockOn(proxy().Unsubscribe(Context(), {.targets = {1002}, .channel = "room"})),
              IsOk());
  EXPECT_EQ(publish(true), 1);
  EXPECT_EQ(publish(false), 0);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Receive(*players_[0], 50, 4), "news");
  EXPECT_EQ(Receive(*players_[1], 50, 4), "news");
  EXPECT_EQ(Ask(*players_[1], 1, "nothing else", 12), "nothing else");
}

TEST_F(ProxyTest, KnowsWhoIsThere) {
  const auto online = [&](int64_t uid) {
    return BlockOn(proxy().IsOnline(Context(), {.target = uid})).value();
  };
  const int64_t cid = std::atoll(Ask(*players_[0], 5, "", 16).c_str());
  EXPECT_TRUE(online(1001));
  EXPECT_FALSE(online(7));
  EXPECT_EQ(BlockOn(proxy().GetIp(Context(), {.target = 1002})).value(), "127.0.0.1");
  ASSERT_THAT(BlockOn(proxy().UnbindGate(Context(), 1001)), IsOk());
  EXPECT_FALSE(online(1001));
  ASSERT_THAT(BlockOn(proxy().BindGate(Context(), "g1", cid, 1003)), IsOk());
  EXPECT_TRUE(online(1003));
  ASSERT_THAT(BlockOn(proxy().Disconnect(Context(), {.target = 1003}, /*force=*/true)), IsOk());
  EXPECT_THAT(players_[0]->Read(), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_TRUE(Eventually([&] { return !online(1003); }));
}

TEST_F(ProxyTest, LooksAUserUpAnewWhoIsNotWhereItWas) {
  // The locator believes in a gate that has never seen the user; then the user's own comes back.
  Locator& locator = one_->cluster.locator();
  ASSERT_THAT(BlockOn(locator.BindGate(Context(), 1002, "g1")), IsOk());
  EXPECT_TRUE(
      Eventually([&] { return node_.cluster.locator().KnownGate(1002).value_or("g1") == "g1"; }));
  EXPECT_THAT(
      BlockOn(proxy().Push(Context(), {.target = 1002, .message = Say("hello"), .ack = true})),
      StatusIs(absl::StatusCode::kNotFound));
  // The gate has set the locator right.
  EXPECT_TRUE(Eventually([&] { return GateOf(1002).empty(); }));
  ASSERT_THAT(BlockOn(locator.BindGate(Context(), 1002, "g2")), IsOk());
  EXPECT_TRUE(Eventually([&] {
    return BlockOn(proxy().Push(Context(), {.target = 1002, .message = Say("hello"), .ack = true}))
        .ok();
  }));
}

TEST_F(ProxyTest, AMeshReachesPlayersWithoutBeingANode) {
  Process process;
  Mesh mesh(process.cluster);
  ASSERT_THAT(process.Start(), IsOk());
  EXPECT_THAT(
      BlockOn(mesh.proxy().Push(Context(), {.target = 1001, .message = Say("mail"), .ack = true})),
      IsOk());
  EXPECT_EQ(Receive(*players_[0], 50, 4), "mail");
  EXPECT_EQ(BlockOn(process.cluster.instances().Instances(Context(), "mesh"))->size(), 0u);
  process.Stop();
}

TEST_F(ProxyTest, DeliversToNodes) {
  NodeProcess other("n2", absl::ZeroDuration(), {.name = "room"});
  micro::Queue<std::string> heard(100);
  other.node.router().Add(60, [&](Context, Request& request) -> Task<absl::Status> {
    heard.Push(request.nid() + " " + std::to_string(request.uid()) + " " +
               std::string(request.body()));
    co_return absl::OkStatus();
  });
  ASSERT_THAT(other.Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return proxy().nodes().size() == 2; }));
  const auto deliver = [&](std::string nid, int32_t route) {
    return BlockOn(proxy().Deliver(
        Context(),
        {.nid = std::move(nid), .uid = 1001, .message = {.route = route, .body = "hello"}}));
  };
  for (const std::string nid : {"", "n2"}) {
    EXPECT_THAT(deliver(nid, 60), IsOk());
    EXPECT_EQ(BlockOn(heard.Pop(Context())).value(), "n1 1001 hello");
  }
  EXPECT_THAT(deliver("n1", 60), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(deliver("n9", 60), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(deliver("", 61), StatusIs(absl::StatusCode::kNotFound));
  other.Stop();
}

// ---- Logins ----

TEST_F(ProxyTest, ALateEndOfAnOldLoginTouchesNoNewOne) {
  BlockingSocket again = Dial(*two_);
  Login(again, "1001");
  EXPECT_EQ(GateOf(1001), "g2");
  players_[0].reset();  // the old one, on the first gate
  EXPECT_TRUE(Eventually([&] { return one_->gate.counts().network.open == 0; }));
  one_->Stop();  // and all that it still had to say
  EXPECT_EQ(GateOf(1001), "g2");
  EXPECT_THAT(
      BlockOn(proxy().Push(Context(), {.target = 1001, .message = Say("hello"), .ack = true})),
      IsOk());
  EXPECT_EQ(Receive(again, 50, 5), "hello");
}

TEST_F(ProxyTest, TwoGatesThatBindAUserAtOnceLeaveOneWhoHasIt) {
  for (int round = 0; round < 20; ++round) {
    const std::string uid = std::to_string(2000 + round);
    std::vector<BlockingSocket> players;
    for (GateProcess* gate : {&*one_, &*two_}) players.push_back(Dial(*gate));
    for (BlockingSocket& player : players) ASSERT_THAT(player.Write(Packet(2, uid, 9)), IsOk());
    for (BlockingSocket& player : players) EXPECT_EQ(Receive(player, 2, 5, 9), "bound");
    // The one that the locator names reaches its player; when that leaves, the user is nowhere.
    const std::string gid = GateOf(2000 + round);
    ASSERT_THAT(BlockOn(proxy().Push(
                    Context(), {.target = 2000 + round, .message = Say("hello"), .ack = true})),
                IsOk());
    EXPECT_EQ(Receive(players[gid == "g1" ? 0 : 1], 50, 5), "hello");
    players.clear();
    EXPECT_TRUE(Eventually([&] { return GateOf(2000 + round).empty(); }));
  }
}

TEST_F(GameTest, ALoginFromElsewhereEndsTheOldConnectionWhereThatIsWanted) {
  NodeProcess node("n1");
  ASSERT_THAT(node.Start(), IsOk());
  GateProcess gate("g1", absl::ZeroDuration(), {.close_displaced = true});
  Meet({&node}, 1);
  BlockingSocket before = Dial(gate), after = Dial(gate);
  Login(before, "7");
  Login(after, "7");
  EXPECT_THAT(before.Read(), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_EQ(Ask(after, 3, "", 2), "n1");
}
}  // namespace
}  // namespace due
