// A node behind a gate: players' packets go through both and back, over real connections and links.
#include "due/node/dispatcher.h"

#include <stdexcept>
#include <thread>

#include "core/async.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "due/gate/forwarder.h"
#include "due/gate/operations.h"
#include "due/network/server_fixture.h"
#include "due/node/actors.h"

namespace due {
namespace {

using micro::Task;

// The parts of a gate, put together.
class NodeTest : public ServerTest {
 protected:
  void SetUp() override {
    AddRoutes();
    Listen({}, {.on_connect =
                    [this](Conn& conn) {
                      sessions_.Add(conn.shared_from_this());
                      forwarder_.Trigger(link::Event::kConnect, conn.id(), 0);
                    },
                .on_receive = [this](Conn& conn,
                                     std::string_view packet) { forwarder_.Forward(conn, packet); },
                .on_disconnect = [this](Conn& conn, Cause) { operations_.Disconnected(conn); }});
    operations_.SetPlayers(*server_);
    gate_ = LinkServer::Listen({.address = "127.0.0.1:0"}, operations_).value();
    node_ = LinkServer::Listen({.address = "127.0.0.1:0"}, dispatcher_, node_loops_).value();
    links_.SetGates({{.id = "g1", .address = AddressOf(*gate_)}});
    std::vector<NodePeer::Route> routes;
    for (const auto& [id, route] : router_.routes()) {
      routes.push_back({.id = id,
                        .internal = route.internal,
                        .stateful = route.stateful,
                        .authorized = route.authorized});
    }
    forwarder_.SetNodes({{.peer = {.id = "n1",
                                   .alias = "hall",
                                   .routes = routes,
                                   .events = {link::Event::kConnect, link::Event::kReconnect,
                                              link::Event::kDisconnect}},
                          .address = AddressOf(*node_)}});
  }

  void TearDown() override {
    server_.reset();
    BlockOn([](NodeTest* test) -> Task<void> {
      co_await test->gate_->Stop(Context());
      co_await test->node_->Stop(Context());
      co_await test->dispatcher_.Done();
      co_await test->forwarder_.Done();
      co_await test->operations_.Done();
      co_await test->gate_pool_.Close(Context());
      co_await test->links_.Close(Context());
    }(this));
  }

  static std::string AddressOf(const LinkServer& server) {
    return "127.0.0.1:" + std::to_string(server.port());
  }

  // What the routes of the tests do.
  void AddRoutes() {
    router_.Add(1, [](Context, Request& request) -> Task<absl::Status> {
      co_return request.Respond(request.body());
    });
    router_.Add(2, [](Context ctx, Request& request) -> Task<absl::Status> {
      CO_RETURN_IF_ERROR(co_await request.BindGate(ctx, std::atoll(request.body().data())));
      CO_RETURN_IF_ERROR(co_await request.BindNode(ctx));
      co_return request.Respond("bound");
    });
    router_.Add(3,
                [](Context, Request& request) -> Task<absl::Status> {
                  co_return request.Respond("user " + std::to_string(request.uid()));
                },
                {.stateful = true});
    router_.Add(4, [](Context ctx, Request& request) -> Task<absl::Status> {
      co_return co_await request.Disconnect(ctx, /*force=*/false);
    });
    router_.Add(5, [](Context, Request&) -> Task<absl::Status> {
      co_return absl::InternalError("it does not work");
    });
    router_.Add(20, [this](Context ctx, Request& request) -> Task<absl::Status> {
      if (micro::net::Loop::Current() != &node_loops_[0]) ++begun_elsewhere_;
      (void)co_await micro::Sleep(ctx, absl::Milliseconds(5));
      co_return request.Respond("x");
    });
    router_.Add(21, [](Context, Request&) -> Task<absl::Status> {
      throw std::runtime_error("bad json");
      co_return absl::OkStatus();
    });
    router_
        .NewGroup(
            {[](Context ctx, Request& request, const RequestHandler& next) -> Task<absl::Status> {
              if (request.body() == "secret") co_return co_await next(ctx, request);
              co_return request.Respond("no");
            }})
        .Add(6, [](Context, Request& request) -> Task<absl::Status> {
          co_return request.Respond("yes");
        });
    for (const link::Event event :
         {link::Event::kConnect, link::Event::kReconnect, link::Event::kDisconnect}) {
      events_[static_cast<size_t>(event)] = [this](Context,
                                                   PlayerEvent told) -> Task<absl::Status> {
        told_.Push(told);
        co_return absl::OkStatus();
      };
    }
  }

  // The answer to what a player sends.
  std::string Ask(BlockingSocket& player, int32_t route, std::string_view body,
                  size_t answer_size) {
    EXPECT_THAT(player.Write(Packet(route, body, 9)), IsOk());
    const std::string answer = player.ReadAll(Packet(route, "", 9).size() + answer_size).value();
    const auto message = Packer::New()->Unpack(answer);
    EXPECT_THAT(message, IsOk());
    EXPECT_EQ(message->route, route);
    EXPECT_EQ(message->seq, 9);
    return std::string(message->body);
  }

  std::shared_ptr<Locator> locator_ =
      micro::PluginTable<Locator>::Create("memory", {.prefix = "node_test"}).value();
  CachedLocator cached_{locator_, {}};
  Packer packer_ = *Packer::New();

  Sessions sessions_;
  LinkPool gate_pool_{{.kind = link::InstanceKind::kGate, .id = "g1"}};
  Forwarder forwarder_{packer_, Dispatch::kRandom, gate_pool_, cached_};
  GateOperations operations_{
      {.gid = "g1",
       .trigger = [this](link::Event event, int64_t cid,
                         int64_t uid) { forwarder_.Trigger(event, cid, uid); },
       .state = [] { return link::State::kWork; },
       .set_state = [](link::State) {}},
      sessions_,
      cached_};

  micro::net::Loops node_loops_{1};
  Router router_;
  EventHandlers events_;
  NodeLinks links_{
      {.kind = link::InstanceKind::kNode, .id = "n1"}, "hall", packer_, cached_, node_loops_};
  std::atomic<link::State> state_ = link::State::kWork;
  Dispatcher dispatcher_{{.state = [this] { return state_.load(); },
                          .set_state = [this](link::State state) { state_ = state; }},
                         router_,
                         events_,
                         links_};
  micro::Queue<PlayerEvent> told_{1000};
  std::atomic<int> begun_elsewhere_ = 0;
  std::unique_ptr<LinkServer> gate_, node_;
};

TEST_F(NodeTest, AnswersThroughTheGate) {
  BlockingSocket player = Dial();
  EXPECT_EQ(Ask(player, 1, "hello", 5), "hello");
  EXPECT_EQ(Ask(player, 1, std::string(4000, 'x'), 4000), std::string(4000, 'x'));
}

TEST_F(NodeTest, AnswersOnePlayerInOrder) {
  BlockingSocket player = Dial();
  std::string sent;
  for (int i = 0; i < 2000; ++i) sent += Packet(1, std::to_string(i), i);
  ASSERT_THAT(player.Write(sent), IsOk());
  EXPECT_EQ(player.ReadAll(sent.size()).value(), sent);
}

TEST_F(NodeTest, BindsAUserAndGetsWhatHasState) {
  BlockingSocket player = Dial();
  EXPECT_EQ(Ask(player, 2, "1001", 5), "bound");
  EXPECT_EQ(BlockOn(locator_->LocateGate(Context(), 1001)).value(), "g1");
  EXPECT_EQ(BlockOn(locator_->LocateNode(Context(), 1001, "hall")).value(), "n1");
  EXPECT_EQ(Ask(player, 3, "", 9), "user 1001");
}

TEST_F(NodeTest, TakesNothingWithStateOfAUserWhoIsElsewhere) {
  BlockingSocket player = Dial();
  EXPECT_EQ(Ask(player, 2, "1001", 5), "bound");
  LinkClient other(AddressOf(*node_), {.kind = link::InstanceKind::kGate, .id = "g2"});
  ASSERT_THAT(other.Send(1, link::Deliver{.cid = 1, .uid = 55, .packet = Packet(3, "x")}), IsOk());
  EXPECT_TRUE(Eventually([&] { return dispatcher_.counts().misplaced == 1; }));
}

TEST_F(NodeTest, HearsOfPlayers) {
  {
    BlockingSocket player = Dial();
    EXPECT_EQ(Ask(player, 2, "7", 5), "bound");
  }
  const auto next = [&] { return BlockOn(told_.Pop(Context())).value(); };
  const PlayerEvent connected = next();
  EXPECT_EQ(connected.event, link::Event::kConnect);
  EXPECT_EQ(connected.gid, "g1");
  EXPECT_EQ(next().event, link::Event::kReconnect);
  const PlayerEvent gone = next();
  EXPECT_EQ(gone.event, link::Event::kDisconnect);
  EXPECT_EQ(gone.cid, connected.cid);
  EXPECT_EQ(gone.uid, 7);
}

TEST_F(NodeTest, MiddlewareStandsAroundHandlers) {
  BlockingSocket player = Dial();
  EXPECT_EQ(Ask(player, 6, "secret", 3), "yes");
  EXPECT_EQ(Ask(player, 6, "guess", 2), "no");
}

TEST_F(NodeTest, EndsAPlayersConnection) {
  BlockingSocket player = Dial();
  ASSERT_THAT(player.Write(Packet(4, "")), IsOk());
  EXPECT_THAT(player.Read(), StatusIs(absl::StatusCode::kOutOfRange));
}

TEST_F(NodeTest, CountsWhatItDoesNotDo) {
  BlockingSocket player = Dial();
  ASSERT_THAT(player.Write(Packet(5, "x")), IsOk());
  EXPECT_TRUE(Eventually([&] { return dispatcher_.counts().failed == 1; }));
  LinkClient gate(AddressOf(*node_), {.kind = link::InstanceKind::kGate, .id = "g2"});
  ASSERT_THAT(gate.Send(1, link::Deliver{.cid = 1, .packet = Packet(77, "x")}), IsOk());
  ASSERT_THAT(gate.Send(1, link::Deliver{.cid = 1, .packet = "no packet"}), IsOk());
  EXPECT_TRUE(Eventually([&] { return dispatcher_.counts().unrouted == 1; }));
  EXPECT_TRUE(Eventually([&] { return dispatcher_.counts().invalid == 1; }));
  LinkClient mesh(AddressOf(*node_), {.kind = link::InstanceKind::kMesh, .id = "m1"});
  ASSERT_THAT(mesh.Send(1, link::Deliver{.cid = 1, .packet = Packet(1, "x")}), IsOk());
  EXPECT_TRUE(Eventually([&] { return dispatcher_.counts().refused == 1; }));
  const auto state = BlockOn(mesh.Call(Context(), link::GetState{}));
  ASSERT_THAT(state, IsOk());
  EXPECT_EQ(state->value, static_cast<uint64_t>(link::State::kWork));
  ASSERT_THAT(BlockOn(mesh.Call(Context(), link::SetState{link::State::kBusy})), IsOk());
  EXPECT_EQ(state_, link::State::kBusy);
}

TEST_F(NodeTest, HandlersBeginOnTheNodesThreadBehindOnesThatWaited) {
  BlockingSocket player = Dial();
  const std::string all = Packet(20, "a") + Packet(20, "b") + Packet(20, "c");
  ASSERT_THAT(player.Write(all), IsOk());
  EXPECT_THAT(player.ReadAll(all.size()), IsOk());
  EXPECT_EQ(begun_elsewhere_, 0);
}

// Says nothing of changes.
class SilentLocator final : public Locator {
 public:
  explicit SilentLocator(std::shared_ptr<Locator> of) : of_(std::move(of)) {}
  std::string_view name() const override { return of_->name(); }
  Task<absl::StatusOr<std::string>> LocateGate(Context ctx, int64_t uid) override {
    return of_->LocateGate(ctx, uid);
  }
  Task<absl::StatusOr<std::string>> LocateNode(Context ctx, int64_t uid,
                                               std::string name) override {
    return of_->LocateNode(ctx, uid, name);
  }
  Task<absl::StatusOr<Nodes>> LocateNodes(Context ctx, int64_t uid) override {
    return of_->LocateNodes(ctx, uid);
  }
  Task<absl::Status> BindGate(Context ctx, int64_t uid, std::string gid) override {
    return of_->BindGate(ctx, uid, gid);
  }
  Task<absl::Status> BindNode(Context ctx, int64_t uid, std::string name,
                              std::string nid) override {
    return of_->BindNode(ctx, uid, name, nid);
  }
  Task<absl::StatusOr<bool>> UnbindGate(Context ctx, int64_t uid, std::string gid) override {
    return of_->UnbindGate(ctx, uid, gid);
  }
  Task<absl::StatusOr<bool>> UnbindNode(Context ctx, int64_t uid, std::string name,
                                        std::string nid) override {
    return of_->UnbindNode(ctx, uid, name, nid);
  }
  Task<absl::StatusOr<std::unique_ptr<LocationWatcher>>> Watch(Context ctx,
                                                               LocationWatch) override {
    return of_->Watch(ctx, {.gates = false, .nodes = false});
  }

 private:
  const std::shared_ptr<Locator> of_;
};

TEST_F(NodeTest, LooksAgainWhereWhatItRemembersIsOld) {
  CachedLocator cached(std::make_shared<SilentLocator>(locator_), {});
  ASSERT_TRUE(Eventually([&] { return cached.following(); }));
  NodeLinks links{
      {.kind = link::InstanceKind::kNode, .id = "n1"}, "hall", packer_, cached, node_loops_};
  Dispatcher dispatcher{
      {.state = [this] { return state_.load(); }, .set_state = [](link::State) {}},
      router_,
      events_,
      links};
  auto server = LinkServer::Listen({.address = "127.0.0.1:0"}, dispatcher, node_loops_).value();
  ASSERT_THAT(BlockOn(locator_->BindNode(Context(), 77, "hall", "n2")), IsOk());
  EXPECT_EQ(BlockOn(cached.LocateNode(Context(), 77, "hall")).value(), "n2");
  ASSERT_THAT(BlockOn(locator_->BindNode(Context(), 77, "hall", "n1")), IsOk());
  // The answer goes to a gate that nobody knows: the handler has run.
  LinkClient gate(AddressOf(*server), {.kind = link::InstanceKind::kGate, .id = "g2"});
  ASSERT_THAT(gate.Send(1, link::Deliver{.cid = 1, .uid = 77, .packet = Packet(3, "x")}), IsOk());
  EXPECT_TRUE(Eventually([&] { return dispatcher.counts().failed == 1; }));
  EXPECT_EQ(dispatcher.counts().misplaced, 0);
  BlockOn(server->Stop(Context()));
}

TEST_F(NodeTest, AHandlerThatThrowsHarmsNobodyElse) {
  BlockingSocket player = Dial();
  ASSERT_THAT(player.Write(Packet(21, "x")), IsOk());
  EXPECT_EQ(Ask(player, 1, "hello", 5), "hello");
  EXPECT_EQ(dispatcher_.counts().failed, 1);
}

}  // namespace
}  // namespace due
