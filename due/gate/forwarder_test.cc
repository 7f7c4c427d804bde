// What players send, carried over real links to those who stand for nodes.
#include "due/gate/forwarder.h"

#include <map>
#include <thread>

#include "core/plugin_table.h"
#include "due/link/server.h"
#include "due/network/server_fixture.h"

namespace due {
namespace {

// The link side of a node, which keeps what it is told.
class FarNode : public LinkHandler {
 public:
  struct Heard {
    link::Route route = {};
    link::Event event = {};
    int64_t cid = 0, uid = 0;
    std::string packet = {};
    friend bool operator==(const Heard&, const Heard&) = default;
  };

  FarNode() : server_(LinkServer::Listen({.address = "127.0.0.1:0"}, *this).value()) {}
  ~FarNode() override { server_.reset(); }

  void Handle(const std::shared_ptr<const LinkPeer>&, const link::Request& request,
              LinkReply reply) override {
    if (const auto* deliver = std::get_if<link::Deliver>(&request)) {
      heard_.Push({.route = link::Route::kDeliver,
                   .cid = deliver->cid,
                   .uid = deliver->uid,
                   .packet = std::string(deliver->packet)});
    } else if (const auto* trigger = std::get_if<link::Trigger>(&request)) {
      heard_.Push({.route = link::Route::kTrigger,
                   .event = trigger->event,
                   .cid = trigger->cid,
                   .uid = trigger->uid});
    }
    reply.Done(link::Code::kOk);
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(server_->port()); }
  Heard Next() {
    return BlockOn(heard_.Pop(WithTimeout(Context(), absl::Seconds(20)))).value_or(Heard{});
  }

 private:
  micro::Queue<Heard> heard_{100000};
  std::unique_ptr<LinkServer> server_;
};

class ForwarderTest : public ServerTest {
 protected:
  void SetUp() override {
    Listen({},
           {.on_connect = [this](Conn& conn) { connected_.Push(conn.shared_from_this()); },
            .on_receive = [this](Conn& conn,
                                 std::string_view packet) { forwarder_.Forward(conn, packet); }});
  }
  void TearDown() override {
    server_.reset();
    BlockOn(
        [](ForwarderTest* test) -> micro::Task<void> { co_await test->forwarder_.Done(); }(this));
    BlockOn(links_.Close(Context()));
  }

  std::shared_ptr<Conn> Connect() {
    players_.push_back(Dial());
    return BlockOn(connected_.Pop(Context())).value();
  }

  static NodeTable::Node NodeAt(const FarNode& node, std::string id,
                                std::vector<NodePeer::Route> routes,
                                std::vector<link::Event> events = {}) {
    return {.peer = {.id = std::move(id),
                     .alias = "hall",
                     .routes = std::move(routes),
                     .events = std::move(events)},
            .address = node.address()};
  }

  // That a player's packet is dropped, and why.
  void ExpectDrop(const std::string& packet, ForwardDrop why) {
    const auto count = [&] { return forwarder_.counts().dropped[static_cast<size_t>(why)]; };
    const int64_t before = count();
    ASSERT_THAT(players_.back().Write(packet), IsOk());
    EXPECT_TRUE(Eventually([&] { return count() == before + 1; })) << NameOf(why);
  }

  std::shared_ptr<Locator> locator_ =
      micro::PluginTable<Locator>::Create("memory", {.prefix = "forwarder_test"}).value();
  CachedLocator cached_{locator_, {.gates = false}};
  LinkPool links_{{.kind = link::InstanceKind::kGate, .id = "g1"}};
  Forwarder forwarder_{*Packer::New(), Dispatch::kRoundRobin, links_, cached_};
  micro::Queue<std::shared_ptr<Conn>> connected_{1000};
  std::vector<BlockingSocket> players_;
};

TEST_F(ForwarderTest, CarriesPacketsAsTheyAreAndInOrder) {
  FarNode node;
  forwarder_.SetNodes({NodeAt(node, "n1", {{.id = 1}})});
  const auto conn = Connect();
  conn->Bind(7);
  for (int i = 0; i < 1000; ++i)
    ASSERT_THAT(players_[0].Write(Packet(1, std::to_string(i), i)), IsOk());
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(node.Next(), (FarNode::Heard{.route = link::Route::kDeliver,
                                           .cid = conn->id(),
                                           .uid = 7,
                                           .packet = Packet(1, std::to_string(i), i)}));
  }
  EXPECT_EQ(forwarder_.counts().delivered, 1000);
}

TEST_F(ForwarderTest, DropsWhatMayNotPassAndSaysWhy) {
  FarNode node;
  forwarder_.SetNodes({NodeAt(node, "n1",
                              {{.id = 1},
                               {.id = 2, .authorized = true},
                               {.id = 3, .stateful = true},
                               {.id = 4, .internal = true}})});
  const auto conn = Connect();
  ExpectDrop(Packet(99, "x"), ForwardDrop::kNoRoute);
  ExpectDrop(Packet(2, "x"), ForwardDrop::kUnauthorized);
  ExpectDrop(Packet(3, "x"), ForwardDrop::kUnauthorized);
  ExpectDrop(Packet(4, "x"), ForwardDrop::kInternal);
  ExpectDrop(std::string("\0\0\0\2\0\1", 6), ForwardDrop::kInvalid);
  conn->Bind(7);
  ExpectDrop(Packet(3, "x"), ForwardDrop::kUnbound);
  ASSERT_THAT(BlockOn(locator_->BindNode(Context(), 7, "hall", "n2")), IsOk());
  ExpectDrop(Packet(3, "x"), ForwardDrop::kNoNode);
  ASSERT_THAT(players_[0].Write(Packet(2, "y")), IsOk());
  EXPECT_EQ(node.Next().packet, Packet(2, "y"));
}

TEST_F(ForwarderTest, CarriesWhatHasStateToTheUsersNode) {
  FarNode one, other;
  forwarder_.SetNodes({NodeAt(one, "n1", {{.id = 1}, {.id = 3, .stateful = true}}),
                       NodeAt(other, "n2", {{.id = 3, .stateful = true}})});
  const auto conn = Connect();
  conn->Bind(7);
  ASSERT_THAT(BlockOn(locator_->BindNode(Context(), 7, "hall", "n2")), IsOk());
  for (int i = 0; i < 100; ++i)
    ASSERT_THAT(players_[0].Write(Packet(3, std::to_string(i), i)), IsOk());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(other.Next().packet, Packet(3, std::to_string(i), i));
}

TEST_F(ForwarderTest, TellsWhoWantsToHear) {
  FarNode listens, other;
  forwarder_.SetNodes({NodeAt(listens, "n1", {}, {link::Event::kConnect, link::Event::kDisconnect}),
                       NodeAt(other, "n2", {}, {link::Event::kReconnect})});
  forwarder_.Trigger(link::Event::kConnect, 5, 0);
  forwarder_.Trigger(link::Event::kReconnect, 5, 7);
  forwarder_.Trigger(link::Event::kDisconnect, 5, 7);
  EXPECT_EQ(
      listens.Next(),
      (FarNode::Heard{.route = link::Route::kTrigger, .event = link::Event::kConnect, .cid = 5}));
  EXPECT_EQ(
      listens.Next(),
      (FarNode::Heard{
          .route = link::Route::kTrigger, .event = link::Event::kDisconnect, .cid = 5, .uid = 7}));
  EXPECT_EQ(other.Next().event, link::Event::kReconnect);
  EXPECT_EQ(forwarder_.counts().triggered, 3);
}

// Events come from other threads than packets: from whoever waited for the locator.
TEST_F(ForwarderTest, APlayersEndIsHeardBehindItsLastPacket) {
  constexpr int kPlayers = 50, kPackets = 20;
  server_.reset();
  Listen({}, {.on_connect = [this](Conn& conn) { connected_.Push(conn.shared_from_this()); },
              .on_receive =
                  [this](Conn& conn, std::string_view packet) {
                    forwarder_.Forward(conn, packet);
                    if (packet != Packet(1, "last")) return;
                    std::thread([&] {
                      forwarder_.Trigger(link::Event::kDisconnect, conn.id(), 0);
                    }).join();
                  }});
  FarNode node;
  forwarder_.SetNodes({NodeAt(node, "n1", {{.id = 1}}, {link::Event::kDisconnect})});
  std::string packets;
  for (int i = 1; i < kPackets; ++i) packets += Packet(1, "x");
  packets += Packet(1, "last");
  for (int i = 0; i < kPlayers; ++i) {
    Connect();
    ASSERT_THAT(players_.back().Write(packets), IsOk());
  }
  std::map<int64_t, int> delivered;
  for (int i = 0; i < kPlayers * (kPackets + 1); ++i) {
    const FarNode::Heard heard = node.Next();
    if (heard.route == link::Route::kDeliver) ++delivered[heard.cid];
    if (heard.route == link::Route::kTrigger) EXPECT_EQ(delivered[heard.cid], kPackets);
  }
}

TEST_F(ForwarderTest, GoesWithTheListOfNodes) {
  FarNode first, second;
  forwarder_.SetNodes({NodeAt(first, "n1", {{.id = 1}})});
  Connect();
  ASSERT_THAT(players_[0].Write(Packet(1, "one")), IsOk());
  EXPECT_EQ(first.Next().packet, Packet(1, "one"));
  forwarder_.SetNodes({NodeAt(second, "n2", {{.id = 1}})});
  ASSERT_THAT(players_[0].Write(Packet(1, "two")), IsOk());
  EXPECT_EQ(second.Next().packet, Packet(1, "two"));
  forwarder_.SetNodes({});
  ExpectDrop(Packet(1, "three"), ForwardDrop::kNoRoute);
}

}  // namespace
}  // namespace due
