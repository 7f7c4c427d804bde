// A LinkClient, against peers that write and read bytes.
#include "due/link/client.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "core/task_scope.h"
#include "due/link/client_fixture.h"
#include "due/link/pool.h"

namespace due {
namespace {

TEST_F(LinkClientTest, ShakesHandsBeforeItSendsWhatWaits) {
  Connect();
  ASSERT_THAT(client_->Send(1, To(1, "one")), IsOk());
  ASSERT_THAT(client_->Send(1, link::Trigger{link::Event::kDisconnect, 1}), IsOk());
  RawLink link(peer_.Accept());
  EXPECT_EQ(link.Next(), kUs);
  auto more = link.socket().StartRead();
  EXPECT_EQ(more.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  link.Write(Answered(Route::kHandshake, 1));
  EXPECT_EQ(*more.get(), Asked(To(1, "one")) + Asked(link::Trigger{link::Event::kDisconnect, 1}));
  EXPECT_TRUE(Eventually([&] { return client_->counts().queued == 0; }));
}

TEST_F(LinkClientTest, AnswersFindTheirCallsInAnyOrder) {
  Connect();
  auto bind = StartCall(link::Bind{1, 1001});
  RawLink link = Accept();
  const uint64_t first = link.NextSeq();
  auto total = StartCall(link::Broadcast{link::SessionKind::kConn, "packet"});
  const uint64_t second = link.NextSeq();
  ASSERT_NE(first, second);
  link.Write(Answered(Route::kBroadcast, second, {link::Code::kOk, 12}));
  EXPECT_EQ(total.get()->value, 12);
  link.Write(Answered(Route::kBind, first, {link::Code::kNotFoundSession}));
  const auto bound = bind.get();
  ASSERT_THAT(bound, IsOk());
  EXPECT_THAT(link::ToStatus(bound->code), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(LinkClientTest, ALateAnswerIsNoHarm) {
  Connect({.conn_num = 1, .call_timeout = absl::Hours(1)});
  auto call = StartCall(link::Bind{1, 1001}, micro::WithTimeout(Context(), absl::Milliseconds(50)));
  EXPECT_THAT(call.get(), StatusIs(absl::StatusCode::kDeadlineExceeded,
                                   HasSubstr(peer_.address() + " has not answered Bind")));
  RawLink link = Accept();
  link.Write(Answered(Route::kBind, link.NextSeq()));
  EXPECT_TRUE(Eventually([&] { return client_->counts().unexpected == 1; }));
  auto next = StartCall(link::GetState{});
  link.Write(Answered(Route::kGetState, link.NextSeq(), {link::Code::kOk, 2}));
  EXPECT_EQ(next.get()->value, 2);
}

TEST_F(LinkClientTest, ACallEndsWithItsContext) {
  Connect();
  auto [ctx, cancel] = micro::WithCancel(Context());
  auto call = StartCall(link::Bind{1, 1001}, ctx);
  RawLink link = Accept();
  link.Next();
  cancel();
  EXPECT_THAT(call.get(), StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(BlockOn(client_->Call(ctx, link::Bind{1, 1})),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(LinkClientTest, CallsOfALostConnectionFailAtOnceAndItIsDialledAgain) {
  Connect({.conn_num = 1, .call_timeout = absl::Hours(1)});
  auto call = StartCall(link::Bind{1, 1001}), other = StartCall(link::Unbind{2});
  {
    RawLink link = Accept();
    const uint64_t seq = link.NextSeq();
    link.Next();
    link.Write(Answered(Route::kBind, seq).substr(0, 11));  // killed amid an answer
  }
  EXPECT_THAT(call.get(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("was lost")));
  EXPECT_THAT(other.get(), StatusIs(absl::StatusCode::kUnavailable));
  RawLink again = Accept();
  auto next = StartCall(link::Bind{1, 1001});
  again.Write(Answered(Route::kBind, again.NextSeq()));
  EXPECT_THAT(next.get(), IsOk());
}

TEST_F(LinkClientTest, ReplacesAConnectionThatSendsNoFramesOrAnswersThatDoNotFit) {
  Connect({.conn_num = 1, .call_timeout = absl::Hours(1)});
  const std::vector<std::function<std::string(uint64_t)>> wrongs = {
      [](uint64_t) { return std::string(4, '\0'); },
      [](uint64_t) { return std::string(8, '\xff'); },
      [](uint64_t seq) { return Answered(Route::kUnbind, seq); },
      [](uint64_t seq) { return Answered(Route::kBind, seq).replace(3, 1, "\x0d") + "x"; },
  };
  for (const auto& wrong : wrongs) {
    auto call = StartCall(link::Bind{1, 1001});
    RawLink link = Accept();
    link.Write(wrong(link.NextSeq()));
    EXPECT_THAT(call.get(), StatusIs(absl::StatusCode::kUnavailable));
    EXPECT_EQ(link.Next(), "");
  }
  EXPECT_EQ(Ended(LinkEnd::kMalformed) + Ended(LinkEnd::kTooLarge), 4);
}

TEST_F(LinkClientTest, ReplacesAConnectionWhoseAnswerStaysIncomplete) {
  Connect({.conn_num = 1, .call_timeout = absl::Hours(1)});
  auto call = StartCall(link::Bind{1, 1001});
  RawLink link = Accept();
  link.Write(Answered(Route::kBind, link.NextSeq()).substr(0, 15));
  auto next = StartCall(link::Bind{1, 1001}, micro::WithTimeout(Context(), absl::Milliseconds(50)));
  EXPECT_THAT(next.get(), StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(call.get(), StatusIs(absl::StatusCode::kUnavailable));
  Accept();
}

// What Go's gates answer to Publish when there is nobody: 20 bytes are announced, 12 come.
TEST_F(LinkClientTest, IsNotMisledByShortAnswersToPublish) {
  Connect({.conn_num = 1, .call_timeout = absl::Hours(1)});
  const auto brief = [](uint64_t seq, link::Code code) {
    return Answered(Route::kPublish, seq, {.code = code}).replace(3, 1, "\x14");
  };
  const link::Publish publish{"room", "packet"};
  auto alone = StartCall(publish);
  RawLink link = Accept();
  link.Write(brief(link.NextSeq(), link::Code::kOk));
  ASSERT_THAT(alone.get(), IsOk());

  auto failed = StartCall(publish);
  link.Write(brief(link.NextSeq(), link::Code::kInternalError));
  EXPECT_EQ(failed.get()->code, link::Code::kInternalError);

  auto first = StartCall(publish);
  const uint64_t first_seq = link.NextSeq();
  auto second = StartCall(link::Bind{1, 1001});
  link.Write(brief(first_seq, link::Code::kOk) + Answered(Route::kBind, link.NextSeq()));
  EXPECT_EQ(first.get()->value, 0);
  EXPECT_THAT(second.get(), IsOk());
  EXPECT_EQ(client_->counts().short_publishes, 3);

  auto whole = StartCall(publish);
  link.Write(Answered(Route::kPublish, link.NextSeq(), {link::Code::kOk, 3}));
  EXPECT_EQ(whole.get()->value, 3);
  EXPECT_EQ(client_->counts().short_publishes, 3);
  EXPECT_EQ(client_->counts().opened, 1);
}

TEST_F(LinkClientTest, AnAnswerToPublishMayComeInPieces) {
  Connect({.conn_num = 1, .call_timeout = absl::Hours(1), .short_publish_wait = absl::Hours(1)});
  auto call = StartCall(link::Publish{"room", "packet"});
  RawLink link = Accept();
  for (const char byte : Answered(Route::kPublish, link.NextSeq(), {link::Code::kOk, 300}))
    link.Write(std::string(1, byte));
  EXPECT_EQ(call.get()->value, 300);
}

TEST_F(LinkClientTest, WhoDoesNotShakeHandsIsUnreachable) {
  Connect({.conn_num = 1, .handshake_timeout = absl::Milliseconds(50)});
  auto silent = StartCall(link::Bind{1, 1001});
  RawLink link(peer_.Accept());
  EXPECT_THAT(silent.get(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("shake hands")));
  EXPECT_EQ(link.Next(), kUs);
  EXPECT_EQ(link.Next(), "");
}

TEST_F(LinkClientTest, WhoRefusesTheHandshakeIsUnreachable) {
  Connect();
  auto call = StartCall(link::Bind{1, 1001});
  RawLink link(peer_.Accept());
  link.Write(Answered(Route::kHandshake, 1, {link::Code::kInternalError}));
  EXPECT_THAT(call.get(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("shake hands")));
}

TEST_F(LinkClientTest, WhatWaitsForAnUnreachablePeerIsDroppedAndCounted) {
  const std::string address = peer_.address();
  peer_.listener().Close();
  ConnectTo(address, {.conn_num = 1});
  auto call = StartCall(link::Bind{1, 1001});
  EXPECT_THAT(call.get(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr(address)));
  EXPECT_EQ(client_->counts().failed, 3);
  EXPECT_EQ(Dropped(LinkDrop::kUnreachable), 1);
  EXPECT_EQ(client_->counts().queued, 0);
  // For a moment then, longer each time, nothing is taken.
  EXPECT_TRUE(Eventually([&] { return absl::IsUnavailable(client_->Send(1, To(1))); }));
}

TEST_F(LinkClientTest, APeerThatComesLaterIsReached) {
  std::string address;
  {
    micro::net::Server gone;
    address = gone.address();
  }
  ConnectTo(address, {.conn_num = 1});
  EXPECT_THAT(BlockOn(client_->Call(Context(), link::GetState{})),
              StatusIs(absl::StatusCode::kUnavailable));
  RecordingHandler handler;
  const auto server = LinkServer::Listen({.address = address}, handler, TwoLoops());
  ASSERT_THAT(server, IsOk());
  EXPECT_TRUE(Eventually([&] { return BlockOn(client_->Call(Context(), link::GetState{})).ok(); }));
}

TEST_F(LinkClientTest, QueuesWithinBoundsForAPeerThatReadsNothing) {
  Connect({.conn_num = 1, .write_queue_size = 100});
  ASSERT_THAT(client_->Send(1, To(0)), IsOk());
  RawLink deaf = Accept();
  const std::string large(1 << 20, 'x');
  int sent = 0;
  while (client_->Send(1, To(1, large)).ok()) ASSERT_LT(++sent, 10000);
  EXPECT_THAT(client_->Send(1, To(1)), StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_GE(Dropped(LinkDrop::kFull), 1);
  EXPECT_LE(client_->counts().queued, 100);
  EXPECT_EQ(deaf.Next(), Asked(To(0)));
  for (int i = 0; i < sent; ++i) ASSERT_EQ(deaf.Next().size(), large.size() + 30);
}

TEST_F(LinkClientTest, BytesAreBoundedToo) {
  Connect({.conn_num = 1, .write_queue_bytes = 1000});
  ASSERT_THAT(client_->Send(1, To(1, std::string(2000, 'x'))), IsOk());
  EXPECT_THAT(client_->Send(1, To(1)), StatusIs(absl::StatusCode::kResourceExhausted));
  RawLink link = Accept();
  EXPECT_EQ(link.Next().size(), 2030);
  EXPECT_TRUE(Eventually([&] { return client_->Send(1, To(2)).ok(); }));
  EXPECT_EQ(link.Next(), Asked(To(2)));
}

TEST_F(LinkClientTest, LeavesAPeerThatTakesNothingForLong) {
  Connect({.conn_num = 1, .stall_timeout = absl::Milliseconds(100)});
  ASSERT_THAT(client_->Send(1, To(0)), IsOk());
  RawLink deaf = Accept();
  const std::string large(1 << 20, 'x');
  while (client_->Send(1, To(1, large)).ok()) {
  }
  EXPECT_TRUE(Eventually([&] { return Ended(LinkEnd::kStalled) == 1; }));
}

// Nothing that was wholly given to the kernel is sent twice, nothing that waits is lost but what
// was just being written, no frame is cut, and calls are not made twice.
TEST_F(LinkClientTest, WhatWaitedIsSentOnceItIsDialledAgain) {
  Connect({.conn_num = 1,
           .call_timeout = absl::Hours(1),
           .write_queue_size = 20000,
           .write_queue_bytes = 1 << 30});
  ASSERT_THAT(client_->Send(1, To(0)), IsOk());
  std::future<absl::StatusOr<link::Response>> call;
  const std::string packet(1000, 'x');
  int64_t sent = 0;
  {
    RawLink deaf = Accept();
    while (client_->Send(1, To(sent + 1, packet)).ok()) {
      if (++sent != 19000) continue;
      call = StartCall(link::Bind{1, 1001});
      ASSERT_TRUE(Eventually([&] { return client_->counts().calls == 1; }));
    }
    ASSERT_GT(sent, 19000);
  }
  EXPECT_THAT(call.get(), StatusIs(absl::StatusCode::kUnavailable));
  RawLink again = Accept();
  int64_t next = 0, seen = 0;
  while (next <= sent) {
    const std::string bytes = again.Next();
    std::string_view rest = bytes;
    const auto frame = link::Take(rest);
    ASSERT_TRUE(frame.ok() && frame->has_value());
    std::vector<int64_t> targets;
    const auto request = link::ParseRequest(**frame, targets);
    ASSERT_THAT(request, IsOk());
    const auto* deliver = std::get_if<link::Deliver>(&*request);
    ASSERT_NE(deliver, nullptr);
    if (next == 0) next = deliver->cid;
    ASSERT_EQ(deliver->cid, next++);
    ASSERT_EQ(deliver->packet.size(), 1000);
    ++seen;
  }
  EXPECT_GT(seen, 1000);
  EXPECT_TRUE(Eventually([&] { return client_->counts().queued == 0; }));
}

TEST_F(LinkClientTest, WhatIsSentInOneTurnIsOneWrite) {
  Connect({.conn_num = 2});
  const auto send = [&](int64_t count) {
    micro::net::OnLoop(TwoLoops()[0], [&] {
      const uint64_t key = client_->KeyHere(0);
      for (int64_t i = 0; i < count; ++i) EXPECT_THAT(client_->Send(key, To(i, "packet")), IsOk());
    });
  };
  send(1);
  RawLink link = Accept();
  EXPECT_EQ(link.Next(), Asked(To(0, "packet")));
  std::string all;
  for (int64_t i = 0; i < 500; ++i) all += Asked(To(i, "packet"));
  send(500);
  EXPECT_EQ(*link.socket().Read(), all);
}

TEST_F(LinkClientTest, BeatsInIntervals) {
  Connect({.conn_num = 1, .heartbeat_interval = absl::Milliseconds(20)});
  ASSERT_THAT(client_->Send(1, To(0)), IsOk());
  RawLink link = Accept();
  EXPECT_EQ(link.Next(), Asked(To(0)));
  EXPECT_EQ(link.Next(), kHeartbeat);
  EXPECT_EQ(link.Next(), kHeartbeat);
}

TEST_F(LinkClientTest, CloseWritesWhatWaitsAndTakesNoMore) {
  Connect();
  for (int64_t i = 0; i < 10; ++i) ASSERT_THAT(client_->Send(1, To(i)), IsOk());
  std::thread closing([&] { BlockOn(client_->Close(Context())); });
  {
    RawLink link = Accept();
    for (int64_t i = 0; i < 10; ++i) EXPECT_EQ(link.Next(), Asked(To(i)));
    EXPECT_EQ(link.Next(), "");
  }
  closing.join();
  EXPECT_THAT(client_->Send(1, To(1)),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("closed")));
  EXPECT_THAT(BlockOn(client_->Call(Context(), link::GetState{})),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(LinkClientTest, CloseLetsCallsEndUntilItsContextDoes) {
  Connect({.conn_num = 2, .call_timeout = absl::Hours(1)});
  auto answered = StartCall(link::Bind{1, 1001});
  RawLink link = Accept();
  const uint64_t seq = link.NextSeq();
  auto forgotten = StartCall(link::Bind{2, 1001});
  RawLink other = Accept();
  other.Next();
  auto [ctx, cancel] = micro::WithCancel(Context());
  std::thread closing([&, ctx = ctx] { BlockOn(client_->Close(ctx)); });
  EXPECT_TRUE(Eventually([&] { return absl::IsFailedPrecondition(client_->Send(1, To(1))); }));
  link.Write(Answered(Route::kBind, seq));
  EXPECT_THAT(answered.get(), IsOk());
  cancel();
  EXPECT_THAT(forgotten.get(), StatusIs(absl::StatusCode::kCancelled));
  closing.join();
}

TEST_F(LinkClientTest, ItsEndFailsItsCalls) {
  Connect({.conn_num = 1, .call_timeout = absl::Hours(1)});
  std::promise<absl::StatusOr<link::Response>> answer;
  micro::TaskScope scope;
  micro::Spawn(scope, [](LinkClient& client, auto& result) -> micro::Task<void> {
    result.set_value(co_await client.Call(Context(), link::Bind{1, 1}));
  }(*client_, answer));
  RawLink link = Accept();
  client_.reset();
  EXPECT_THAT(answer.get_future().get(), StatusIs(absl::StatusCode::kCancelled));
  link.Next();
  EXPECT_EQ(link.Next(), "");
}

TEST_F(LinkClientTest, RefusesWhatMustNotBeSent) {
  Connect();
  EXPECT_THAT(client_->Send(1, To(-1)), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(BlockOn(client_->Call(Context(), link::Bind{1, -1})),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_EQ(Dropped(LinkDrop::kRefused), 2);
  EXPECT_EQ(client_->counts().queued, 0);
}

}  // namespace
}  // namespace due
