// A LinkClient, against our server.
#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "core/task_scope.h"
#include "due/link/client.h"
#include "due/link/client_fixture.h"
#include "due/link/pool.h"

namespace due {
namespace {

class LinkPairTest : public LinkClientTest {
 protected:
  void SetUp() override {
    auto server = LinkServer::Listen({.address = "127.0.0.1:0"}, handler_, TwoLoops());
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(server_->port()); }

  RecordingHandler handler_;
  std::unique_ptr<LinkServer> server_;
};

TEST_F(LinkPairTest, EqualKeysKeepTheirOrderOnOneConnection) {
  ConnectTo(address(), {.conn_num = 5, .write_queue_size = 100000});
  constexpr int64_t kKeys = 20, kEach = 500;
  std::vector<std::thread> senders;
  for (int64_t key = 0; key < kKeys; ++key) {
    senders.emplace_back([&, key] {
      for (int64_t i = 0; i < kEach; ++i) {
        const auto send = [&] {
          EXPECT_THAT(client_->Send(static_cast<uint64_t>(key), To(key, std::to_string(i))),
                      IsOk());
        };
        // From threads of its own and from both loops, one after the other.
        if (i % 50 < 48) {
          send();
        } else {
          micro::net::OnLoop(TwoLoops()[static_cast<size_t>(i % 2)], send);
        }
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  ASSERT_TRUE(Eventually([&] { return handler_.count() == kKeys * kEach; }));
  std::map<int64_t, int64_t> next;
  std::map<int64_t, std::set<std::string>> remotes;
  for (const RecordingHandler::Asked& asked : handler_.asked()) {
    EXPECT_EQ(asked.packet, std::to_string(next[asked.number]++));
    EXPECT_EQ(asked.id, "g1");
    remotes[asked.number % 5].insert(asked.remote);
  }
  std::set<std::string> all;
  for (const auto& [line, seen] : remotes) {
    EXPECT_EQ(seen.size(), 1);
    all.insert(*seen.begin());
  }
  EXPECT_EQ(all.size(), 5);
  EXPECT_EQ(client_->counts().opened, 5);
}

TEST_F(LinkPairTest, OfTwoFramesTheFirstArrivesFirstWhateverTheirThreads) {
  ConnectTo(address(), {.conn_num = 1});
  for (size_t loop = 0; loop < 2; ++loop) {
    micro::net::OnLoop(TwoLoops()[loop], [&] {
      EXPECT_THAT(client_->Send(0, To(1, "a")), IsOk());
      std::thread([&] { EXPECT_THAT(client_->Send(0, To(1, "b")), IsOk()); }).join();
      EXPECT_THAT(client_->Send(0, To(1, "c")), IsOk());
    });
  }
  ASSERT_TRUE(Eventually([&] { return handler_.count() == 6; }));
  std::string all;
  for (const RecordingHandler::Asked& asked : handler_.asked()) all += asked.packet;
  EXPECT_EQ(all, "abcabc");
}

TEST_F(LinkPairTest, KeysHereAreOfThisLoop) {
  ConnectTo(address(), {.conn_num = 4});
  EXPECT_EQ(client_->KeyHere(7), 7);  // this thread has none
  std::set<uint64_t> keys[2];
  for (size_t loop = 0; loop < 2; ++loop) {
    micro::net::OnLoop(TwoLoops()[loop], [&] {
      for (uint64_t key = 0; key < 4; ++key) keys[loop].insert(client_->KeyHere(key));
    });
    EXPECT_EQ(keys[loop].size(), 2);
  }
  for (const uint64_t key : keys[0]) EXPECT_FALSE(keys[1].contains(key));
}

TEST_F(LinkPairTest, CallsGoRoundAllConnections) {
  ConnectTo(address(), {.conn_num = 3});
  for (int64_t i = 0; i < 30; ++i)
    ASSERT_THAT(BlockOn(client_->Call(Context(), link::Bind{i, 1})), IsOk());
  std::map<std::string, int> seen;
  for (const RecordingHandler::Asked& asked : handler_.asked()) ++seen[asked.remote];
  EXPECT_EQ(seen.size(), 3);
  for (const auto& [remote, times] : seen) EXPECT_EQ(times, 10);
  EXPECT_EQ(client_->counts().answered, 30);
}

TEST_F(LinkPairTest, ManyCallsAtOnceGetTheirOwnAnswers) {
  ConnectTo(address(), {.conn_num = 5});
  std::vector<std::thread> callers;
  for (int64_t caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&] {
      for (int64_t i = 0; i < 200; ++i) {
        const auto answer =
            BlockOn(client_->Call(Context(), link::Broadcast{link::SessionKind::kConn, "x"}));
        ASSERT_THAT(answer, IsOk());
        EXPECT_EQ(answer->value, 1);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(client_->counts().answered, 1600);
}

TEST_F(LinkPairTest, APoolKeepsOneClientForEachPeer) {
  LinkPool pool({.id = "g1"}, TwoLoops());
  const auto client = pool.Get(address());
  EXPECT_EQ(pool.Get(address()), client);
  EXPECT_NE(pool.Get("127.0.0.1:1"), client);
  for (int64_t i = 0; i < 10; ++i) ASSERT_THAT(client->Send(0, To(i)), IsOk());
  pool.Drop(address(), absl::Minutes(1));
  EXPECT_THAT(client->Send(0, To(1)), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_TRUE(Eventually([&] { return handler_.count() == 10; }));
  EXPECT_NE(pool.Get(address()), client);
  ASSERT_THAT(pool.Get(address())->Send(0, To(1)), IsOk());
  BlockOn(pool.Close(Context()));
  EXPECT_EQ(handler_.count(), 11);
  EXPECT_THAT(pool.Get("127.0.0.1:2")->Send(0, To(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(pool.counts().open, 0);
}

TEST(LinkClientOptionsTest, NameWhatHasNoMeaning) {
  const auto refused = [](const LinkClientOptions& options, const std::string& name) {
    EXPECT_THAT(options.Check(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
  };
  refused({}, "id");
  refused({.id = "x", .conn_num = 0}, "conn_num");
  refused({.id = "x", .dial_retry_times = 0}, "dial_retry_times");
  refused({.id = "x", .write_queue_size = 0}, "write_queue_size");
}

}  // namespace
}  // namespace due
