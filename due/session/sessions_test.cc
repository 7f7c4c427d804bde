// The sessions of a gate, over connections of a real server.
#include "due/session/sessions.h"

#include <thread>

#include "due/network/server_fixture.h"

namespace due {
namespace {

class SessionsTest : public ServerTest {
 protected:
  void SetUp() override {
    Listen({}, {.on_connect =
                    [this](Conn& conn) {
                      sessions_.Add(conn.shared_from_this());
                      connected_.Push(conn.id());
                    },
                .on_receive = nullptr,
                .on_disconnect = [this](Conn& conn,
                                        Cause) { removed_ = sessions_.Remove(conn.id()); }});
  }
  void TearDown() override { server_.reset(); }

  // A new connection's number.
  int64_t Connect() {
    clients_.push_back(Dial());
    return BlockOn(connected_.Pop(Context())).value();
  }
  ConnPtr Of(int64_t cid) { return sessions_.Find(SessionKind::kConn, cid); }
  ConnPtr OfUser(int64_t uid) { return sessions_.Find(SessionKind::kUser, uid); }

  Sessions sessions_;
  micro::Queue<int64_t> connected_{10000};
  std::atomic<int64_t> removed_ = -1;
  std::vector<BlockingSocket> clients_;
};

TEST_F(SessionsTest, FindsConnectionsAndUsers) {
  const int64_t a = Connect(), b = Connect();
  ASSERT_THAT(sessions_.Bind(a, 1001), IsOk());
  EXPECT_EQ(OfUser(1001), Of(a));
  EXPECT_EQ(Of(a)->uid(), 1001);
  EXPECT_EQ(OfUser(1002), nullptr);
  EXPECT_EQ(Of(77), nullptr);
  EXPECT_EQ(sessions_.Count(SessionKind::kConn), 2);
  EXPECT_EQ(sessions_.Count(SessionKind::kUser), 1);
  EXPECT_EQ(sessions_.All(SessionKind::kConn).size(), 2u);
  EXPECT_EQ(sessions_.All(SessionKind::kUser), std::vector{Of(a)});
  EXPECT_EQ(Of(b)->uid(), 0);
}

TEST_F(SessionsTest, RefusesWhatCannotBeBound) {
  const int64_t a = Connect();
  EXPECT_THAT(sessions_.Bind(0, 1), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(sessions_.Bind(a, -1), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(sessions_.Bind(a + 1, 1),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("not found session")));
}

TEST_F(SessionsTest, TheLastBindWins) {
  const int64_t old_one = Connect(), new_one = Connect();
  const Bound first = *sessions_.Bind(old_one, 7);
  EXPECT_TRUE(first.is_new);
  EXPECT_FALSE(sessions_.Bind(old_one, 7)->is_new);
  const Bound second = *sessions_.Bind(new_one, 7);
  EXPECT_EQ(second.displaced, Of(old_one));
  EXPECT_GT(second.epoch, first.epoch);
  EXPECT_EQ(Of(old_one)->uid(), 0);
  EXPECT_EQ(Of(old_one)->state(), Conn::kOpened);
  EXPECT_EQ(OfUser(7), Of(new_one));
  EXPECT_EQ(sessions_.Count(SessionKind::kUser), 1);
}

TEST_F(SessionsTest, AConnectionThatBecomesAnothersIsNoMoreTheFirsts) {
  const int64_t a = Connect();
  ASSERT_THAT(sessions_.Bind(a, 1), IsOk());
  EXPECT_EQ(sessions_.Bind(a, 2)->previous_uid, 1);
  EXPECT_EQ(OfUser(1), nullptr);
  EXPECT_EQ(OfUser(2), Of(a));
  EXPECT_EQ(sessions_.Count(SessionKind::kUser), 1);
}

// What comes late for an old binding: due #90, pitaya #251.
TEST_F(SessionsTest, NothingThatComesLateTouchesANewerBinding) {
  const int64_t old_one = Connect(), new_one = Connect();
  const Bound first = *sessions_.Bind(old_one, 7);
  const Bound second = *sessions_.Bind(new_one, 7);
  EXPECT_FALSE(sessions_.Unbind(7, first.epoch));
  EXPECT_EQ(OfUser(7), Of(new_one));
  EXPECT_EQ(sessions_.Remove(old_one), 0);  // it was nobody's
  EXPECT_EQ(OfUser(7), Of(new_one));
  EXPECT_TRUE(sessions_.Unbind(7, second.epoch));
  EXPECT_EQ(OfUser(7), nullptr);
  EXPECT_FALSE(sessions_.Unbind(7));
}

TEST_F(SessionsTest, AnEndTakesTheUserAlong) {
  const int64_t a = Connect();
  ASSERT_THAT(sessions_.Bind(a, 5), IsOk());
  ASSERT_TRUE(sessions_.Subscribe(SessionKind::kUser, 5, "room"));
  clients_[0].Close();
  EXPECT_TRUE(Eventually([&] { return removed_ == 5; }));
  EXPECT_EQ(OfUser(5), nullptr);
  EXPECT_EQ(sessions_.Count(SessionKind::kConn), 0);
  EXPECT_EQ(sessions_.channels(), 0);
}

TEST_F(SessionsTest, ChannelsAreThereWhileSomebodySubscribes) {
  const int64_t a = Connect(), b = Connect();
  EXPECT_TRUE(sessions_.Subscribe(SessionKind::kConn, a, "room"));
  EXPECT_TRUE(sessions_.Subscribe(SessionKind::kConn, a, "room"));
  EXPECT_TRUE(sessions_.Subscribe(SessionKind::kConn, b, "room"));
  EXPECT_FALSE(sessions_.Subscribe(SessionKind::kUser, 9, "room"));
  EXPECT_EQ(sessions_.Subscribers("room").size(), 2u);
  EXPECT_TRUE(sessions_.Subscribers("hall").empty());
  EXPECT_TRUE(sessions_.Unsubscribe(SessionKind::kConn, a, "room"));
  EXPECT_TRUE(sessions_.Unsubscribe(SessionKind::kConn, a, "hall"));
  EXPECT_EQ(sessions_.Subscribers("room"), std::vector{Of(b)});
  EXPECT_TRUE(sessions_.Unsubscribe(SessionKind::kConn, b, "room"));
  EXPECT_EQ(sessions_.channels(), 0);
}

// Users move between connections from several threads; in the end each user has the connection that
// says so, and no other has it.
TEST_F(SessionsTest, BindsAtOnceLeaveOneConnectionToAUser) {
  constexpr int kConns = 16, kUsers = 4;
  std::vector<int64_t> cids;
  for (int i = 0; i < kConns; ++i) cids.push_back(Connect());
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 2000; ++i) {
        const int64_t uid = 1 + (i + t) % kUsers;
        const auto bound = sessions_.Bind(cids[static_cast<size_t>((i * 7 + t * 5) % kConns)], uid);
        ASSERT_THAT(bound, IsOk());
        if (i % 3 == 0) sessions_.Unbind(uid, bound->epoch);
        if (i % 5 == 0) sessions_.Subscribe(SessionKind::kUser, uid, "room");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  int64_t bound = 0;
  for (int64_t uid = 1; uid <= kUsers; ++uid) {
    const ConnPtr conn = OfUser(uid);
    if (conn == nullptr) continue;
    ++bound;
    EXPECT_EQ(conn->uid(), uid);
    for (const int64_t cid : cids) {
      if (Of(cid) != conn) EXPECT_NE(Of(cid)->uid(), uid);
    }
  }
  EXPECT_EQ(sessions_.Count(SessionKind::kUser), bound);
}

}  // namespace
}  // namespace due
