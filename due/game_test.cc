// How whole games begin and end, and what of them survives what.
#include <map>
#include <thread>

#include "due/game_fixture.h"
#include "due/mesh/mesh.h"

namespace due {
namespace {

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
