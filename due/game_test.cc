// Whole games in one process: clusters with gates, nodes and meshes, and players over TCP.
#include <google/protobuf/wrappers.pb.h>

#include <array>
#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "core/metadata.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "due/gate/gate.h"
#include "due/mesh/mesh.h"
#include "due/network/server_fixture.h"
#include "due/node/node.h"

namespace due {
namespace {

using micro::Task;
using ::testing::UnorderedElementsAre;

constexpr SessionKind kConn = SessionKind::kConn;

// What stands for one process: a cluster of its own, in the game of its test.
class Process {
 public:
  explicit Process(absl::Duration wait = absl::ZeroDuration())
      : cluster({.locator_options = {.prefix = Game()}, .shutdown_max_wait_time = wait}) {}
  ~Process() { Stop(); }

  static std::string Game() {
    return ::testing::UnitTest::GetInstance()->current_test_info()->name();
  }

  absl::Status Start() {
    runs_ = true;
    return BlockOn(cluster.Start(Context(), "memory", {.addresses = {Game()}}));
  }
  void Stop() {
    if (std::exchange(runs_, false)) EXPECT_THAT(BlockOn(cluster.Stop(Context())), IsOk());
  }

  Cluster cluster;

 private:
  bool runs_ = false;
};

struct GateProcess : Process {
  explicit GateProcess(std::string id, absl::Duration wait = absl::ZeroDuration(),
                       GateOptions options = {})
      : Process(wait), gate(cluster, With(std::move(options), std::move(id))) {
    EXPECT_THAT(Start(), IsOk());
  }
  ~GateProcess() { Stop(); }

  static GateOptions With(GateOptions options, std::string id) {
    options.id = std::move(id);
    options.network.address = options.link.address = "127.0.0.1:0";
    return options;
  }

  Gate gate;
};

struct NodeProcess : Process {
  explicit NodeProcess(std::string id, absl::Duration wait = absl::ZeroDuration(),
                       NodeOptions options = {})
      : Process(wait), node(cluster, With(std::move(options), std::move(id))) {
    node.router().Add(1, [](Context, Request& request) -> Task<absl::Status> {
      co_return request.Respond(request.body());
    });
    node.router().Add(2, [](Context ctx, Request& request) -> Task<absl::Status> {
      CO_RETURN_IF_ERROR(co_await request.BindGate(ctx, std::atoll(request.body().data())));
      CO_RETURN_IF_ERROR(co_await request.BindNode(ctx));
      co_return request.Respond("bound");
    });
    node.router().Add(3,
                      [this](Context, Request& request) -> Task<absl::Status> {
                        co_return request.Respond(node.id());
                      },
                      {.stateful = true});
    node.router().Add(4, [](Context ctx, Request& request) -> Task<absl::Status> {
      co_return co_await request.Subscribe(ctx, std::string(request.body()));
    });
    node.router().Add(5, [](Context, Request& request) -> Task<absl::Status> {
      co_return request.Respond(std::to_string(request.cid()));
    });
  }
  ~NodeProcess() { Stop(); }

  static NodeOptions With(NodeOptions options, std::string id) {
    options.id = std::move(id);
    options.link.address = "127.0.0.1:0";
    return options;
  }

  Node node;
};

class GameTest : public ::testing::Test {
 protected:
  BlockingSocket Dial(const GateProcess& at) {
    return micro::net::Dial(loops_[0], "127.0.0.1:" + std::to_string(at.gate.port())).value();
  }

  // The answer to what a player sends, which is known to be so long.
  static std::string Ask(BlockingSocket& player, int32_t route, std::string_view body,
                         size_t answer_size) {
    EXPECT_THAT(player.Write(Packet(route, body, 9)), IsOk());
    return Receive(player, route, answer_size, 9);
  }
  static std::string Receive(BlockingSocket& player, int32_t route, size_t size, int32_t seq = 0) {
    const auto packet = player.ReadAll(Packet(route, "").size() + size);
    if (!packet.ok()) return std::string(packet.status().message());
    const auto message = Packer::New()->Unpack(*packet);
    EXPECT_THAT(message, IsOk());
    EXPECT_EQ(message->route, route);
    EXPECT_EQ(message->seq, seq);
    return std::string(message->body);
  }
  static void Login(BlockingSocket& player, std::string_view uid) {
    EXPECT_EQ(Ask(player, 2, uid, 5), "bound");
  }

  // What the registry says of an instance.
  static std::string StateOf(Process& asking, const std::string& kind, const std::string& id) {
    const auto all = BlockOn(asking.cluster.instances().Instances(Context(), kind));
    for (const Instance& instance : all.value()) {
      if (instance.id == id) return instance.state;
    }
    return "gone";
  }
  static std::string GateOf(int64_t uid) {
    const auto locator = micro::PluginTable<Locator>::Create("memory", {.prefix = Process::Game()});
    return BlockOn((*locator)->LocateGate(Context(), uid)).value();
  }

  // Gates have heard of nodes, and nodes of gates.
  static void Meet(const std::vector<NodeProcess*>& nodes, size_t gates) {
    for (const NodeProcess* process : nodes) {
      EXPECT_TRUE(Eventually([&] { return process->node.proxy().gates().size() == gates; }));
    }
  }

  micro::net::Loops loops_{1};
};

// ---- The proxy ----

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

// ---- Beginning and end ----

TEST_F(GameTest, AGateWaitsForItsPlayers) {
  NodeProcess node("n1");
  ASSERT_THAT(node.Start(), IsOk());
  GateProcess gate("g1", absl::InfiniteDuration());
  Meet({&node}, 1);
  std::optional<BlockingSocket> player(Dial(gate));
  EXPECT_EQ(Ask(*player, 1, "hello", 5), "hello");
  std::thread stop([&] { gate.Stop(); });
  EXPECT_TRUE(Eventually([&] { return StateOf(node, "gate", "g1") == "hang"; }));
  EXPECT_EQ(Ask(*player, 1, "still there", 11), "still there");
  EXPECT_EQ(Ask(*player, 2, "7", 5), "bound");
  player.reset();
  stop.join();
  EXPECT_EQ(StateOf(node, "gate", "g1"), "gone");
  EXPECT_EQ(GateOf(7), "");
}

TEST_F(GameTest, AGateThatMustGoTellsOfThoseItCutsOff) {
  NodeProcess node("n1");
  micro::Queue<PlayerEvent> told(100);
  node.node.OnEvent(link::Event::kDisconnect,
                    [&](Context, PlayerEvent event) -> Task<absl::Status> {
                      told.Push(event);
                      co_return absl::OkStatus();
                    });
  ASSERT_THAT(node.Start(), IsOk());
  GateProcess gate("g1");
  Meet({&node}, 1);
  BlockingSocket player = Dial(gate);
  Login(player, "7");
  gate.Stop();
  EXPECT_THAT(player.Read(), StatusIs(absl::StatusCode::kOutOfRange));
  const PlayerEvent end = BlockOn(told.Pop(Context())).value();
  EXPECT_EQ(end.gid, "g1");
  EXPECT_EQ(end.uid, 7);
  EXPECT_EQ(GateOf(7), "");
}

TEST_F(GameTest, ANodeWaitsForItsUsers) {
  NodeProcess node("n1", absl::InfiniteDuration());
  ASSERT_THAT(node.Start(), IsOk());
  GateProcess gate("g1");
  Meet({&node}, 1);
  BlockingSocket player = Dial(gate);
  Login(player, "7");
  EXPECT_TRUE(Eventually([&] { return node.node.counts().users == 1; }));
  std::thread stop([&] { node.Stop(); });
  EXPECT_TRUE(Eventually([&] { return StateOf(gate, "node", "n1") == "hang"; }));
  // What has state still comes; what has none goes to nobody.
  EXPECT_EQ(Ask(player, 3, "", 2), "n1");
  EXPECT_TRUE(Eventually([&] {
    EXPECT_THAT(player.Write(Packet(1, "x")), IsOk());
    return gate.gate.counts().dropped[static_cast<size_t>(ForwardDrop::kNoNode)] > 0;
  }));
  ASSERT_TRUE(
      BlockOn(gate.cluster.locator().UnbindNode(Context(), 7, "node", "n1")).value_or(false));
  stop.join();
  EXPECT_EQ(StateOf(gate, "node", "n1"), "gone");
}

TEST_F(GameTest, UsersFindANodeThatComesBackWithTheSameId) {
  auto node = std::make_unique<NodeProcess>("n1");
  ASSERT_THAT(node->Start(), IsOk());
  GateProcess gate("g1");
  Meet({node.get()}, 1);
  BlockingSocket player = Dial(gate);
  Login(player, "7");
  EXPECT_EQ(Ask(player, 3, "", 2), "n1");
  node.reset();
  EXPECT_TRUE(Eventually([&] { return gate.gate.counts().known_nodes == 0; }));
  EXPECT_EQ(StateOf(gate, "node", "n1"), "gone");
  node = std::make_unique<NodeProcess>("n1");
  ASSERT_THAT(node->Start(), IsOk());
  Meet({node.get()}, 1);
  EXPECT_TRUE(Eventually([&] { return gate.gate.counts().known_nodes == 1; }));
  EXPECT_EQ(Ask(player, 3, "", 2), "n1");
}

TEST_F(GameTest, AnAnswerToAGateThatWasThereBeforeReachesNobodyElse) {
  NodeProcess node("n1");
  const auto open = std::make_shared<micro::OneShot<bool>>();
  node.node.router().Add(9, [open](Context, Request& request) -> Task<absl::Status> {
    (void)co_await open->Wait();
    co_return request.Respond("late");
  });
  ASSERT_THAT(node.Start(), IsOk());
  auto gate = std::make_unique<GateProcess>("g1");
  Meet({&node}, 1);
  std::optional<BlockingSocket> before(Dial(*gate));
  ASSERT_THAT(before->Write(Packet(9, "")), IsOk());
  EXPECT_TRUE(Eventually([&] { return node.node.counts().running == 1; }));
  before.reset();
  gate.reset();
  Meet({&node}, 0);
  gate = std::make_unique<GateProcess>("g1");
  Meet({&node}, 1);
  BlockingSocket after = Dial(*gate);
  EXPECT_EQ(Ask(after, 1, "hello", 5), "hello");
  open->TrySet(true);
  EXPECT_TRUE(Eventually([&] { return node.node.counts().running == 0; }));
  EXPECT_EQ(Ask(after, 1, "mine", 4), "mine");
}

TEST_F(GameTest, ABusyNodeGetsWhatIsWithoutStateOnlyWhereNoneWorks) {
  NodeProcess one("n1"), two("n2");
  for (NodeProcess* node : {&one, &two}) {
    node->node.router().Add(9, [node](Context, Request& request) -> Task<absl::Status> {
      co_return request.Respond(node->node.id());
    });
    ASSERT_THAT(node->Start(), IsOk());
  }
  GateProcess gate("g1", absl::ZeroDuration(), {.dispatch = "rr"});
  Meet({&one, &two}, 1);
  BlockingSocket player = Dial(gate);
  std::map<std::string, int> answers;
  for (int i = 0; i < 10; ++i) ++answers[Ask(player, 9, "", 2)];
  EXPECT_EQ(answers["n1"], 5);
  // Told over the link, as meshes do.
  LinkClient mesh("127.0.0.1:" + std::to_string(one.node.link_port()),
                  {.kind = link::InstanceKind::kMesh, .id = "m1"});
  ASSERT_THAT(BlockOn(mesh.Call(Context(), link::SetState{link::State::kBusy})), IsOk());
  EXPECT_TRUE(Eventually([&] { return StateOf(gate, "node", "n1") == "busy"; }));
  EXPECT_TRUE(Eventually([&] {
    answers.clear();
    for (int i = 0; i < 10; ++i) ++answers[Ask(player, 9, "", 2)];
    return answers["n2"] == 10;
  }));
  two.Stop();
  EXPECT_EQ(Ask(player, 9, "", 2), "n1");
}

// ---- Handlers ----

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

// ---- In a service ----

TEST_F(GameTest, AServiceHasTheClustersFlags) {
  Cluster cluster;
  Node node(cluster, {.flag_prefix = "node_"});
  Gate gate(cluster, {.flag_prefix = ""});
  auto service = micro::NewService(cluster.AddTo({.name = "game", .handle_signals = false}));
  EXPECT_EQ(service->options().registry, "memory");
  ASSERT_THAT(service->Init({"--node_name=hall", "--listen=127.0.0.1:0", "--link=127.0.0.1:0",
                             "--node_link=127.0.0.1:0", "--id=g7", "--network=ws",
                             "--server_address=127.0.0.1:0", "--route_bytes=4",
                             "--registry_address=flags", "--locator_prefix=flags"}),
              IsOk());
  ASSERT_THAT(BlockOn(service->Start(Context())), IsOk());
  EXPECT_EQ(node.name(), "hall");
  EXPECT_EQ(gate.id(), "g7");
  EXPECT_EQ(gate.network(), "ws");
  EXPECT_EQ(cluster.packer().options().route_bytes, 4);
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
}

absl::Status StartWith(micro::ServiceOptions options, std::vector<std::string> flags) {
  Cluster cluster;
  Node node(cluster, {.flag_prefix = "node_"});
  Gate gate(cluster, {.network = {.address = "127.0.0.1:0"}, .flag_prefix = ""});
  options.handle_signals = false;
  auto service = micro::NewService(cluster.AddTo(std::move(options)));
  flags.push_back("--server_address=127.0.0.1:0");
  RETURN_IF_ERROR(service->Init(std::move(flags)));
  return BlockOn(service->Start(Context()));
}

TEST_F(GameTest, WhatCannotWorkIsToldWithItsFlag) {
  const auto says = [](const std::string& text) {
    return StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(text));
  };
  EXPECT_THAT(StartWith({.name = "gate"}, {}), says("--server_name"));
  EXPECT_THAT(StartWith({.name = "game"}, {"--locator=zonk"}), says("zonk"));
  EXPECT_THAT(StartWith({.name = "game"}, {"--dispatch=best"}), says("--dispatch"));
  EXPECT_THAT(StartWith({.name = "game"}, {"--network=pigeon"}), says("--network"));
  EXPECT_THAT(StartWith({.name = "game"}, {"--route_bytes=3"}), says("route_bytes"));
  EXPECT_THAT(StartWith({.name = "game"}, {"--node_weight=0"}), says("weight"));
  EXPECT_THAT(StartWith({.name = "game"}, {"--kcp_no_delay=1,2"}), says("--kcp_no_delay"));
}

TEST_F(GameTest, ComponentsOfOneProcessHaveFlagsOfTheirOwn) {
  Cluster cluster;
  Node node(cluster, {.name = "hall"});
  Gate gate(cluster);
  auto service = micro::NewService(cluster.AddTo({.name = "game", .handle_signals = false}));
  EXPECT_THAT(service->Init({"--node_id=n7", "--gate_id=g7", "--gate_network=ws"}), IsOk());
  EXPECT_EQ(node.id(), "n7");
  EXPECT_EQ(gate.id(), "g7");
}

TEST_F(GameTest, AClusterIsStartedOnce) {
  GateProcess gate("g1");
  EXPECT_THAT(gate.Start(), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(GameTest, AMeshIsThereWhenItsServiceServes) {
  Cluster cluster;
  Mesh mesh(cluster);
  micro::ServiceOptions options{.name = "mailbox", .handle_signals = false};
  options.server.address = "127.0.0.1:0";
  // Stands for a call that comes as soon as the server serves.
  options.after_start.push_back([&](Context ctx, micro::Service&) -> Task<absl::Status> {
    EXPECT_THAT(
        co_await mesh.proxy().Push(ctx, {.target = 1, .message = {.route = 1, .body = "x"}}),
        StatusIs(absl::StatusCode::kNotFound));
    co_return absl::OkStatus();
  });
  auto service = micro::NewService(cluster.AddTo(std::move(options)));
  ASSERT_THAT(service->Init(std::vector<std::string>{}), IsOk());
  EXPECT_THAT(BlockOn(service->Start(Context())), IsOk());
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
}

TEST_F(GameTest, ANodeThatIsGoingStaysSo) {
  NodeProcess node("n1", absl::InfiniteDuration());
  ASSERT_THAT(node.Start(), IsOk());
  GateProcess gate("g1");
  Meet({&node}, 1);
  BlockingSocket player = Dial(gate);
  Login(player, "7");
  EXPECT_TRUE(Eventually([&] { return node.node.counts().users == 1; }));
  std::thread stop([&] { node.Stop(); });
  EXPECT_TRUE(Eventually([&] { return StateOf(gate, "node", "n1") == "hang"; }));
  node.node.SetState(link::State::kWork);
  EXPECT_EQ(node.node.state(), link::State::kHang);
  ASSERT_TRUE(BlockOn(gate.cluster.locator().UnbindNode(Context(), 7, "node", "n1")).value());
  stop.join();
}

}  // namespace
}  // namespace due
