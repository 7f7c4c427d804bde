// What nodes ask of a gate, over a real link, of real players' connections.
#include "due/gate/operations.h"

#include "core/async.h"
#include "core/plugin_table.h"
#include "due/link/client.h"
#include "due/network/server_fixture.h"

namespace due {
namespace {

using link::Code;
using link::Response;

struct Triggered {
  link::Event event = {};
  int64_t cid = 0, uid = 0;
  friend bool operator==(const Triggered&, const Triggered&) = default;
};

class OperationsTest : public ServerTest {
 protected:
  void SetUp() override { Start(/*closes_displaced=*/false); }

  void Start(bool closes_displaced) {
    operations_ = std::make_unique<GateOperations>(
        GateOperations::Settings{
            .gid = "g1",
            .closes_displaced = closes_displaced,
            .trigger = [this](link::Event event, int64_t cid,
                              int64_t uid) { triggered_.Push({event, cid, uid}); },
            .state = [this] { return state_.load(); },
            .set_state = [this](link::State state) { state_ = state; }},
        sessions_, *locator_);
    Listen({}, {.on_connect =
                    [this](Conn& conn) {
                      sessions_.Add(conn.shared_from_this());
                      connected_.Push(conn.id());
                    },
                .on_disconnect = [this](Conn& conn, Cause) { operations_->Disconnected(conn); }});
    operations_->SetPlayers(*server_);
    link_server_ = LinkServer::Listen({.address = "127.0.0.1:0"}, *operations_).value();
    node_ = std::make_unique<LinkClient>(
        "127.0.0.1:" + std::to_string(link_server_->port()),
        LinkClientOptions{.kind = link::InstanceKind::kNode, .id = "n1"});
  }

  void TearDown() override {
    node_.reset();
    BlockOn(link_server_->Stop(Context()));
    server_.reset();
    operations_.reset();
  }

  // A new player's connection.
  int64_t Connect() {
    players_.push_back(Dial());
    return BlockOn(connected_.Pop(Context())).value();
  }

  Response Ask(const link::Request& request) {
    const auto response = BlockOn(node_->Call(Context(), request));
    EXPECT_THAT(response, IsOk());
    return response.value_or(Response{Code::kInternalError, 0});
  }
  Code CodeOf(const link::Request& request) { return Ask(request).code; }
  Triggered NextTriggered() { return BlockOn(triggered_.Pop(Context())).value(); }
  std::string GateOf(int64_t uid) { return BlockOn(locator_->LocateGate(Context(), uid)).value(); }
  std::string Read(size_t player, size_t size) { return players_[player].ReadAll(size).value(); }

  std::shared_ptr<Locator> locator_ =
      micro::PluginTable<Locator>::Create("memory", {.prefix = "operations_test"}).value();
  Sessions sessions_;
  std::atomic<link::State> state_ = link::State::kWork;
  micro::Queue<Triggered> triggered_{1000};
  micro::Queue<int64_t> connected_{1000};
  std::unique_ptr<GateOperations> operations_;
  std::unique_ptr<LinkServer> link_server_;
  std::unique_ptr<LinkClient> node_;
  std::vector<BlockingSocket> players_;
};

TEST_F(OperationsTest, ABindIsKnownToLocatorAndNodes) {
  const int64_t cid = Connect();
  EXPECT_EQ(CodeOf(link::Bind{.cid = cid, .uid = 7}), Code::kOk);
  EXPECT_EQ(GateOf(7), "g1");
  EXPECT_EQ(NextTriggered(), (Triggered{link::Event::kReconnect, cid, 7}));
  EXPECT_EQ(CodeOf(link::Bind{.cid = cid + 1, .uid = 8}), Code::kNotFoundSession);
  EXPECT_EQ(CodeOf(link::Bind{.cid = cid, .uid = 0}), Code::kInternalError);
  EXPECT_EQ(GateOf(8), "");
  EXPECT_EQ(CodeOf(link::Unbind{.uid = 7}), Code::kOk);
  EXPECT_EQ(GateOf(7), "");
  EXPECT_EQ(CodeOf(link::Unbind{.uid = 7}), Code::kNotFoundSession);
  EXPECT_EQ(CodeOf(link::Unbind{.uid = 0}), Code::kInternalError);
}

TEST_F(OperationsTest, AnEndTakesTheUsersPlaceBack) {
  const int64_t cid = Connect();
  ASSERT_EQ(CodeOf(link::Bind{.cid = cid, .uid = 7}), Code::kOk);
  NextTriggered();
  players_[0].Close();
  EXPECT_EQ(NextTriggered(), (Triggered{link::Event::kDisconnect, cid, 7}));
  EXPECT_EQ(GateOf(7), "");
}

// The old connection ends after the new one was bound: the user stays where it is.
TEST_F(OperationsTest, TheEndOfAnOldConnectionDoesNotTouchTheNewOne) {
  const int64_t old_one = Connect(), new_one = Connect();
  ASSERT_EQ(CodeOf(link::Bind{.cid = old_one, .uid = 7}), Code::kOk);
  ASSERT_EQ(CodeOf(link::Bind{.cid = new_one, .uid = 7}), Code::kOk);
  NextTriggered();
  NextTriggered();
  players_[0].Close();
  EXPECT_EQ(NextTriggered(), (Triggered{link::Event::kDisconnect, old_one, 0}));
  EXPECT_EQ(GateOf(7), "g1");
  EXPECT_EQ(sessions_.Find(SessionKind::kUser, 7)->id(), new_one);
}

TEST_F(OperationsTest, ANewLoginMayEndTheOldConnection) {
  TearDown();
  Start(/*closes_displaced=*/true);
  const int64_t old_one = Connect(), new_one = Connect();
  ASSERT_EQ(CodeOf(link::Bind{.cid = old_one, .uid = 7}), Code::kOk);
  ASSERT_EQ(CodeOf(link::Bind{.cid = new_one, .uid = 7}), Code::kOk);
  EXPECT_THAT(players_[0].Read(), StatusIs(absl::StatusCode::kOutOfRange));
  EXPECT_EQ(GateOf(7), "g1");
}

TEST_F(OperationsTest, TellsWhoIsThere) {
  const int64_t cid = Connect();
  Connect();
  ASSERT_EQ(CodeOf(link::Bind{.cid = cid, .uid = 7}), Code::kOk);
  EXPECT_EQ(Ask(link::Stat{SessionKind::kConn}).value, 2u);
  EXPECT_EQ(Ask(link::Stat{SessionKind::kUser}).value, 1u);
  EXPECT_EQ(Ask(link::IsOnline{SessionKind::kUser, 7}).value, 1u);
  EXPECT_EQ(Ask(link::IsOnline{SessionKind::kConn, 99}).value, 0u);
  EXPECT_EQ(Ask(link::GetIp{SessionKind::kUser, 7}).value, 0x7f000001u);
  EXPECT_EQ(CodeOf(link::GetIp{SessionKind::kUser, 8}), Code::kNotFoundSession);
  EXPECT_EQ(Ask(link::GetState{}).value, static_cast<uint64_t>(link::State::kWork));
  EXPECT_EQ(CodeOf(link::SetState{link::State::kBusy}), Code::kOk);
  EXPECT_EQ(state_, link::State::kBusy);
}

TEST_F(OperationsTest, WritesToWhomItIsMeant) {
  const int64_t a = Connect(), b = Connect();
  ASSERT_EQ(CodeOf(link::Bind{.cid = a, .uid = 7}), Code::kOk);
  const std::string packet = Packet(100, "hello", 0);
  EXPECT_EQ(CodeOf(link::Push{SessionKind::kUser, 7, packet}), Code::kOk);
  EXPECT_EQ(Read(0, packet.size()), packet);
  EXPECT_EQ(CodeOf(link::Push{SessionKind::kConn, 99, packet}), Code::kNotFoundSession);
  EXPECT_EQ(CodeOf(link::Push{SessionKind::kConn, b, "no packet"}), Code::kInternalError);
  const std::vector<int64_t> targets = {a, b, 99};
  EXPECT_EQ(Ask(link::Multicast{SessionKind::kConn, targets, packet}).value, 2u);
  EXPECT_EQ(Ask(link::Broadcast{SessionKind::kConn, packet}).value, 2u);
  EXPECT_EQ(Ask(link::Broadcast{SessionKind::kUser, packet}).value, 1u);
  EXPECT_EQ(Read(0, 3 * packet.size()), packet + packet + packet);
  EXPECT_EQ(Read(1, 2 * packet.size()), packet + packet);
}

TEST_F(OperationsTest, PublishesToWhoSubscribed) {
  const int64_t a = Connect();
  Connect();
  const std::string packet = Packet(100, "news", 0);
  const std::vector<int64_t> targets = {a, 99};
  EXPECT_EQ(Ask(link::Publish{"room", packet}).value, 0u);
  EXPECT_EQ(CodeOf(link::Subscribe{SessionKind::kConn, targets, "room"}), Code::kOk);
  EXPECT_EQ(Ask(link::Publish{"room", packet}).value, 1u);
  EXPECT_EQ(Read(0, packet.size()), packet);
  EXPECT_EQ(CodeOf(link::Unsubscribe{SessionKind::kConn, targets, "room"}), Code::kOk);
  EXPECT_EQ(Ask(link::Publish{"room", packet}).value, 0u);
}

TEST_F(OperationsTest, EndsAConnectionAfterItsLastPacket) {
  const int64_t cid = Connect();
  const std::string packet = Packet(100, "bye", 0);
  EXPECT_EQ(CodeOf(link::Push{SessionKind::kConn, cid, packet, /*disconnect=*/true}), Code::kOk);
  EXPECT_EQ(Read(0, packet.size()), packet);
  EXPECT_THAT(players_[0].Read(), StatusIs(absl::StatusCode::kOutOfRange));
  const int64_t other = Connect();
  EXPECT_EQ(CodeOf(link::Disconnect{SessionKind::kConn, other, /*force=*/true}), Code::kOk);
  EXPECT_FALSE(players_[1].Read().ok());
  EXPECT_EQ(CodeOf(link::Disconnect{SessionKind::kConn, 99, false}), Code::kNotFoundSession);
}

// A user whom the locator believes here, and who is not.
TEST_F(OperationsTest, APushToOneWhoHasGoneMendsTheLocator) {
  ASSERT_THAT(BlockOn(locator_->BindGate(Context(), 7, "g1")), IsOk());
  ASSERT_THAT(BlockOn(locator_->BindGate(Context(), 8, "g2")), IsOk());
  const std::string packet = Packet(100, "hello", 0);
  EXPECT_EQ(CodeOf(link::Push{SessionKind::kUser, 7, packet}), Code::kNotFoundSession);
  EXPECT_EQ(CodeOf(link::Push{SessionKind::kUser, 8, packet}), Code::kNotFoundSession);
  EXPECT_TRUE(Eventually([&] { return GateOf(7).empty(); }));
  EXPECT_EQ(GateOf(8), "g2");
}

// Binds only when it is let, as one far away.
class SlowLocator final : public Locator {
 public:
  explicit SlowLocator(std::shared_ptr<Locator> of) : of_(std::move(of)) {}
  std::string_view name() const override { return of_->name(); }
  micro::Task<absl::StatusOr<std::string>> LocateGate(Context ctx, int64_t uid) override {
    return of_->LocateGate(ctx, uid);
  }
  micro::Task<absl::StatusOr<std::string>> LocateNode(Context ctx, int64_t uid,
                                                      std::string name) override {
    return of_->LocateNode(ctx, uid, name);
  }
  micro::Task<absl::StatusOr<Nodes>> LocateNodes(Context ctx, int64_t uid) override {
    return of_->LocateNodes(ctx, uid);
  }
  micro::Task<absl::Status> BindGate(Context ctx, int64_t uid, std::string gid) override {
    asked_->TrySet(true);
    (void)co_await let_->Wait();
    co_return co_await of_->BindGate(ctx, uid, gid);
  }
  micro::Task<absl::Status> BindNode(Context ctx, int64_t uid, std::string name,
                                     std::string nid) override {
    return of_->BindNode(ctx, uid, name, nid);
  }
  micro::Task<absl::StatusOr<bool>> UnbindGate(Context ctx, int64_t uid, std::string gid) override {
    return of_->UnbindGate(ctx, uid, gid);
  }
  micro::Task<absl::StatusOr<bool>> UnbindNode(Context ctx, int64_t uid, std::string name,
                                               std::string nid) override {
    return of_->UnbindNode(ctx, uid, name, nid);
  }
  micro::Task<absl::StatusOr<std::unique_ptr<LocationWatcher>>> Watch(
      Context ctx, LocationWatch watch) override {
    return of_->Watch(ctx, watch);
  }

  const std::shared_ptr<Locator> of_;
  const std::shared_ptr<micro::OneShot<bool>> asked_ = std::make_shared<micro::OneShot<bool>>();
  const std::shared_ptr<micro::OneShot<bool>> let_ = std::make_shared<micro::OneShot<bool>>();
};

TEST_F(OperationsTest, NobodyHearsOfALoginBehindThePlayersEnd) {
  TearDown();
  const auto slow = std::make_shared<SlowLocator>(locator_);
  locator_ = slow;
  Start(false);
  const int64_t cid = Connect();
  ASSERT_THAT(node_->Send(0, link::Bind{.cid = cid, .uid = 7}), IsOk());
  EXPECT_THAT(BlockOn(Await(micro::WithTimeout(Context(), absl::Minutes(1)), slow->asked_)),
              IsOk());
  players_[0].Close();
  const auto end = NextTriggered();
  EXPECT_EQ(end.event, link::Event::kDisconnect);
  EXPECT_EQ(end.uid, 7);
  slow->let_->TrySet(true);
  EXPECT_TRUE(Eventually([&] { return GateOf(7).empty(); }));
  BlockOn([](GateOperations* operations) -> micro::Task<void> {
    co_await operations->Done();
  }(operations_.get()));
  EXPECT_FALSE(BlockOn(triggered_.Pop(micro::WithTimeout(Context(), absl::ZeroDuration()))).ok());
}

}  // namespace
}  // namespace due
