// Our client against our server, over every transport and in both dialects.
#include "due/network/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/async.h"
#include "core/mutex.h"
#include "core/net/socket_fixture.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "due/network/server.h"
#include "due/packet/packer.h"

namespace due {
namespace {

using ::micro::BlockOn;
using ::micro::Context;
using ::micro::Eventually;
using ::micro::IsOk;
using ::micro::StatusIs;
using ::testing::HasSubstr;

// What a client's hooks have heard.
class Heard {
 public:
  void Add(std::string_view packet) {
    micro::MutexLock lock(mutex_);
    packets_.emplace_back(packet);
  }
  std::vector<std::string> packets() const {
    micro::MutexLock lock(mutex_);
    return packets_;
  }
  Hooks ToHooks() {
    return {.on_receive = [this](Conn&, std::string_view packet) { Add(packet); },
            .on_disconnect = [this](Conn&, Cause cause) { ended = static_cast<int>(cause); }};
  }
  std::atomic<int> ended = -1;

 private:
  mutable micro::Mutex mutex_;
  std::vector<std::string> packets_ ABSL_GUARDED_BY(mutex_);
};

struct Transport {
  std::string network;
  Dialect dialect = Dialect::kV21;
  bool tls = false;
};

std::string NameOf(const ::testing::TestParamInfo<Transport>& info) {
  return info.param.network + (info.param.dialect == Dialect::kV20 ? "V20" : "") +
         (info.param.tls ? "Tls" : "");
}

class ClientTest : public ::testing::TestWithParam<Transport> {
 protected:
  PacketOptions Packets() const { return {.dialect = GetParam().dialect}; }

  void Listen(Hooks hooks = {}, ServerOptions options = {}) {
    options.network = GetParam().network;
    options.address = "127.0.0.1:0";
    options.packet = Packets();
    if (GetParam().tls) {
      options.cert_file = micro::net::Made().server.cert;
      options.key_file = micro::net::Made().server.key;
    }
    if (hooks.on_receive == nullptr) {
      hooks.on_receive = [](Conn& conn, std::string_view packet) { (void)conn.Push(packet); };
    }
    auto server = Server::Listen(std::move(options), std::move(hooks));
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }

  std::unique_ptr<Client> NewClient(Hooks hooks, ClientOptions options = {}) {
    options.network = GetParam().network;
    options.address = "127.0.0.1:" + std::to_string(server_->port());
    options.packet = Packets();
    if (GetParam().tls) options.ca_file = micro::net::Made().authority.cert();
    return Client::New(std::move(options), std::move(hooks)).value();
  }

  std::string Packet(int32_t route, std::string_view body, int32_t seq = 1) const {
    std::string packet;
    EXPECT_THAT(Packer::New(Packets())->Pack({route, seq, body}, packet), IsOk());
    return packet;
  }

  std::unique_ptr<Server> server_;
};

// Where the transport tells of a peer's beginning and end.
class ConnectedClientTest : public ClientTest {};

const Transport kConnected[] = {{"tcp"}, {"tcp", Dialect::kV20}, {"tcp", Dialect::kV21, true},
                                {"ws"},  {"ws", Dialect::kV20},  {"ws", Dialect::kV21, true}};
const Transport kDatagrams[] = {{"kcp"}, {"kcp", Dialect::kV20}};

INSTANTIATE_TEST_SUITE_P(Connected, ClientTest, ::testing::ValuesIn(kConnected), NameOf);
INSTANTIATE_TEST_SUITE_P(Datagrams, ClientTest, ::testing::ValuesIn(kDatagrams), NameOf);
INSTANTIATE_TEST_SUITE_P(Connected, ConnectedClientTest, ::testing::ValuesIn(kConnected), NameOf);

TEST_P(ClientTest, GetsItsPacketsBackInOrder) {
  Listen();
  Heard heard;
  const auto client = NewClient(heard.ToHooks());
  const auto conn = BlockOn(client->Dial(Context()));
  ASSERT_THAT(conn, IsOk());
  std::vector<std::string> sent;
  for (int i = 0; i < 500; ++i)
    sent.push_back(Packet(i % 100 - 50, std::string(static_cast<size_t>(i * 7 % 5000), 'x'), i));
  for (const std::string& packet : sent) ASSERT_THAT((*conn)->Push(packet), IsOk());
  ASSERT_TRUE(Eventually([&] { return heard.packets().size() == sent.size(); }));
  EXPECT_EQ(heard.packets(), sent);
  EXPECT_EQ((*conn)->remote_address(), "127.0.0.1:" + std::to_string(server_->port()));
}

TEST_P(ClientTest, KeepsItselfAliveByHeartbeats) {
  Listen({}, {.heartbeat_interval = absl::Milliseconds(600)});
  Heard heard;
  const auto client = NewClient(heard.ToHooks(), {.heartbeat_interval = absl::Milliseconds(300)});
  const auto conn = BlockOn(client->Dial(Context()));
  ASSERT_THAT(conn, IsOk());
  ASSERT_TRUE(Eventually([&] { return client->counts().packets_in >= 4; }));  // answers
  EXPECT_EQ((*conn)->state(), Conn::kOpened);
  EXPECT_TRUE(heard.packets().empty());
}

TEST_P(ClientTest, LeavesAServerThatIsSilent) {
  Listen({}, {.heartbeat_interval = absl::ZeroDuration(),
              .heartbeat_mechanism = HeartbeatMechanism::kTick});
  Heard heard;
  const auto client = NewClient(heard.ToHooks(), {.heartbeat_interval = absl::Milliseconds(20)});
  ASSERT_THAT(BlockOn(client->Dial(Context())), IsOk());
  EXPECT_TRUE(Eventually([&] { return heard.ended == static_cast<int>(Cause::kSilent); }));
}

TEST_P(ClientTest, AGracefulEndLosesNothing) {
  Listen({}, {.heartbeat_interval = absl::Milliseconds(500)});  // how KCP's end is noticed
  Heard heard;
  const auto client = NewClient(heard.ToHooks());
  const auto conn = BlockOn(client->Dial(Context()));
  ASSERT_THAT(conn, IsOk());
  for (int i = 0; i < 100; ++i) ASSERT_THAT((*conn)->Push(Packet(1, "last words")), IsOk());
  (*conn)->Close(/*force=*/false);
  EXPECT_TRUE(Eventually([&] { return server_->counts().packets_in == 100; }));
  EXPECT_TRUE(Eventually([&] { return server_->counts().open == 0; }));
  EXPECT_TRUE(Eventually([&] { return heard.ended == static_cast<int>(Cause::kLocal); }));
}

TEST_P(ClientTest, HearsABroadcastThatIsEncodedOnce) {
  Listen();
  Heard heard;
  const auto client = NewClient(heard.ToHooks());
  for (int i = 0; i < 10; ++i) {
    const auto conn = BlockOn(client->Dial(Context()));
    ASSERT_THAT(conn, IsOk());
    ASSERT_THAT((*conn)->Push(Packer::New(Packets())->ClientHeartbeat()), IsOk());
  }
  ASSERT_TRUE(Eventually([&] { return client->counts().packets_in == 10; }));  // all are known
  (void)server_->Broadcast(Packet(9, "to all"));
  ASSERT_TRUE(Eventually([&] { return heard.packets().size() == 10; }));
  (void)server_->Broadcast(Packet(9, "to some"), [](const Conn& conn) { return conn.id() <= 3; });
  ASSERT_TRUE(Eventually([&] { return heard.packets().size() == 13; }));
  EXPECT_THAT(heard.packets(), ::testing::Contains(Packet(9, "to all")).Times(10));
  EXPECT_THAT(heard.packets(), ::testing::Contains(Packet(9, "to some")).Times(3));
  EXPECT_EQ(server_->counts().broadcasts, 2);
  EXPECT_EQ(server_->counts().packets_out, 10 + 13);
}

TEST_P(ConnectedClientTest, SaysWhatIsWrongWhereNobodyListens) {
  Listen();
  const auto client = NewClient({});
  BlockOn(server_->Stop(Context()));
  EXPECT_THAT(BlockOn(client->Dial(Context())),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("127.0.0.1:")));
}

TEST_P(ClientTest, StopEndsItsConnections) {
  Listen();
  Heard heard;
  const auto client = NewClient(heard.ToHooks());
  const auto conn = BlockOn(client->Dial(Context()));
  ASSERT_THAT(conn, IsOk());
  BlockOn(client->Stop(micro::WithTimeout(Context(), absl::Seconds(5))));
  EXPECT_EQ((*conn)->state(), Conn::kClosed);
  EXPECT_THAT((*conn)->Push(Packet(1, "late")), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(BlockOn(client->Dial(Context())), StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(ClientTest, KeepsAttributesWithAConnection) {
  Listen();
  const auto client = NewClient({});
  const auto conn = BlockOn(client->Dial(Context()));
  ASSERT_THAT(conn, IsOk());
  Attributes& attr = (*conn)->attr();
  attr.Set("level", 7);
  attr.Set("name", std::string("fred"));
  attr.Set("level", 8);
  EXPECT_EQ(std::any_cast<int>(attr.Get("level")), 8);
  EXPECT_FALSE(attr.Get("none").has_value());
  EXPECT_TRUE(attr.Del("level"));
  EXPECT_FALSE(attr.Del("level"));
  int seen = 0;
  attr.Visit([&](std::string_view name, const std::any&) {
    EXPECT_EQ(name, "name");
    ++seen;
    return true;
  });
  EXPECT_EQ(seen, 1);
}

TEST(SlowServerTest, AClientHearsItWhileItsOwnPacketsWait) {
  micro::net::Server slow;
  Heard heard;
  const auto client =
      Client::New({.address = slow.address(), .write_queue_size = 8}, heard.ToHooks());
  ASSERT_THAT(client, IsOk());
  const auto conn = BlockOn((*client)->Dial(Context()));
  ASSERT_THAT(conn, IsOk());
  std::string large, news;
  ASSERT_THAT(Packer::New()->Pack({.route = 1, .body = std::string(5000, 'x')}, large), IsOk());
  ASSERT_THAT(Packer::New()->Pack({.route = 2, .body = "news"}, news), IsOk());
  // Until the kernel has taken all that it may.
  for (int refused = 0; refused < 200;) {
    refused = (*conn)->Push(large).ok() ? 0 : refused + 1;
    micro::net::Loops& loops = micro::net::Loops::Default();
    for (size_t i = 0; i < loops.size(); ++i) micro::net::OnLoop(loops[i], [] {});
  }
  auto peer = slow.Accept();
  ASSERT_THAT(peer.Write(news), IsOk());
  EXPECT_TRUE(Eventually([&] { return heard.packets().size() == 1; }));
}

TEST(ClientOptionsTest, NameWhatHasNoMeaning) {
  const auto refused = [](const ClientOptions& options, const std::string& name) {
    EXPECT_THAT(Client::New(options, {}),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
  };
  refused({.network = "carrier pigeon"}, "carrier pigeon");
  refused({.network = "ws", .address = "http://there"}, "http://there");
  refused({.packet = {.seq_bytes = 3}}, "seq_bytes is 3");
  refused({.ca_file = "/nowhere.pem"}, "/nowhere.pem");
  refused({.dial_timeout = absl::ZeroDuration()}, "dial_timeout");
}

}  // namespace
}  // namespace due
