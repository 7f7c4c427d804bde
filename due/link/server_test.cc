// A LinkServer, met by peers that write and read bytes.
#include "due/link/server.h"

#include <future>
#include <thread>

#include "absl/time/clock.h"
#include "due/link/link_fixture.h"

namespace due {
namespace {

using link::Route;

class LinkServerTest : public ::testing::Test {
 protected:
  void Listen(LinkServerOptions options = {}) {
    options.address = "127.0.0.1:0";
    auto server = LinkServer::Listen(std::move(options), handler_, TwoLoops());
    ASSERT_THAT(server, IsOk());
    server_ = *std::move(server);
  }
  RawLink Dial() {
    return RawLink(
        micro::net::Dial(TwoLoops()[0], "127.0.0.1:" + std::to_string(server_->port())).value());
  }
  int64_t Ended(LinkEnd end) const { return server_->counts().ended[static_cast<size_t>(end)]; }

  RecordingHandler handler_;
  std::unique_ptr<LinkServer> server_;
};

TEST_F(LinkServerTest, ShakesHandsAndAnswersInOrder) {
  Listen();
  RawLink peer = Dial();
  peer.Write(Asked(link::Handshake{link::InstanceKind::kNode, "n1"}, 1) +
             Asked(link::Bind{1, 1001}, 1) + Asked(link::IsOnline{link::SessionKind::kUser, 7}, 2));
  EXPECT_EQ(peer.Next(), Answered(Route::kHandshake, 1));
  EXPECT_EQ(peer.Next(), Answered(Route::kBind, 1));
  EXPECT_EQ(peer.Next(), Answered(Route::kIsOnline, 2, {link::Code::kOk, 1}));
  ASSERT_EQ(handler_.count(), 2);
  EXPECT_EQ(handler_.asked()[0].kind, link::InstanceKind::kNode);
  EXPECT_EQ(handler_.asked()[0].id, "n1");
}

TEST_F(LinkServerTest, ServesWhoHasNotShakenHands) {
  Listen();
  RawLink peer = Dial();
  peer.Write(Asked(link::Unbind{7}, 5));
  EXPECT_EQ(peer.Next(), Answered(Route::kUnbind, 5));
  EXPECT_EQ(handler_.asked()[0].id, "");
  EXPECT_EQ(handler_.asked()[0].kind, link::InstanceKind());
}

TEST_F(LinkServerTest, AnswersNothingWithoutASeqAndNoHeartbeat) {
  Listen();
  RawLink peer = Dial();
  peer.Write(kHeartbeat + Asked(link::Deliver{1, 2, "packet"}) + kHeartbeat +
             Asked(link::GetState{}, 9));
  EXPECT_EQ(peer.Next(), Answered(Route::kGetState, 9, {link::Code::kOk, 1}));
  EXPECT_EQ(server_->counts().heartbeats, 2);
  EXPECT_EQ(server_->counts().answers, 1);
}

TEST_F(LinkServerTest, TakesFramesByteByByte) {
  Listen();
  RawLink peer = Dial();
  const std::string frames =
      Asked(link::Deliver{1, 2, std::string(9000, 'x')}) + Asked(link::Bind{3, 4}, 1);
  for (const char byte : frames.substr(0, 100)) peer.Write(std::string(1, byte));
  peer.Write(frames.substr(100));
  EXPECT_EQ(peer.Next(), Answered(Route::kBind, 1));
  EXPECT_EQ(handler_.asked()[0].packet, std::string(9000, 'x'));
}

TEST_F(LinkServerTest, HandsRequestsOverInTheOrderOfTheirArrival) {
  Listen();
  RawLink peer = Dial();
  std::string frames;
  for (int64_t i = 0; i < 5000; ++i) frames += Asked(link::Deliver{i, 2, std::to_string(i)});
  peer.Write(frames + Asked(link::GetState{}, 1));
  peer.Next();
  const auto asked = handler_.asked();
  ASSERT_EQ(asked.size(), 5001);
  for (int64_t i = 0; i < 5000; ++i) {
    EXPECT_EQ(asked[static_cast<size_t>(i)].number, i);
    EXPECT_EQ(asked[static_cast<size_t>(i)].packet, std::to_string(i));
  }
}

// Stops at a frame until it is told to go on; the frames behind it take their time.
class SlowHandler final : public LinkHandler {
 public:
  enum Cid { kFast = 1, kStop, kSlow, kOther };

  void Handle(const std::shared_ptr<const LinkPeer>&, const link::Request& request,
              LinkReply reply) override {
    const auto* deliver = std::get_if<link::Deliver>(&request);
    if (deliver == nullptr) return reply.Done(link::Code::kOk);
    if (deliver->cid == kStop) {
      stopped.set_value();
      go_on.get_future().wait();
    } else if (deliver->cid == kSlow) {
      const absl::Time end = absl::Now() + absl::Microseconds(20);
      while (absl::Now() < end) continue;
      ++slow;
    } else if (deliver->cid == kOther) {
      before_other.set_value(slow);
    }
  }

  std::promise<void> stopped, go_on;
  std::promise<int> before_other;
  int slow = 0;
};

TEST(LinkServerTurnTest, WhatOneBringsAtOnceDoesNotHoldUpTheOthers) {
  micro::net::Loops one_loop(1);
  SlowHandler handler;
  const auto server = LinkServer::Listen({.address = "127.0.0.1:0"}, handler, one_loop);
  ASSERT_THAT(server, IsOk());
  const std::string address = "127.0.0.1:" + std::to_string((*server)->port());
  RawLink busy(micro::net::Dial(TwoLoops()[0], address).value());
  RawLink other(micro::net::Dial(TwoLoops()[0], address).value());
  // As much at once that it is given room for more.
  std::string frames;
  for (int i = 0; i < 20'000; ++i) frames += Asked(link::Deliver{SlowHandler::kFast, 2, "packet"});
  busy.Write(frames + Asked(link::GetState{}, 1));
  busy.Next();
  busy.Write(Asked(link::Deliver{SlowHandler::kStop, 2, "packet"}));
  handler.stopped.get_future().wait();
  frames.clear();
  for (int i = 0; i < 3000; ++i) frames += Asked(link::Deliver{SlowHandler::kSlow, 2, "packet"});
  busy.Write(frames + Asked(link::GetState{}, 2));
  other.Write(Asked(link::Deliver{SlowHandler::kOther, 2, "packet"}));
  handler.go_on.set_value();
  EXPECT_LT(handler.before_other.get_future().get(), 1000);
  busy.Next();  // and nothing is lost
  EXPECT_EQ(handler.slow, 3000);
}

TEST_F(LinkServerTest, AnswersLaterFromAnyThreadInAnyOrder) {
  Listen();
  handler_.Keep();
  RawLink peer = Dial();
  peer.Write(Asked(link::Bind{1, 1}, 1) + Asked(link::Stat{}, 2) + Asked(link::Bind{1, 1}, 3));
  ASSERT_TRUE(Eventually([&] { return handler_.kept() == 3; }));
  std::vector<LinkReply> kept = handler_.TakeKept();
  std::thread([&] {
    kept[2].Done(link::Code::kNotFoundSession);
    kept[1].Done(link::Code::kOk, 20);
    kept[1].Done(link::Code::kInternalError);  // it is answered already
    kept[0].Done(link::Code::kOk);
  }).join();
  EXPECT_EQ(peer.Next(), Answered(Route::kBind, 3, {link::Code::kNotFoundSession}));
  EXPECT_EQ(peer.Next(), Answered(Route::kStat, 2, {link::Code::kOk, 20}));
  EXPECT_EQ(peer.Next(), Answered(Route::kBind, 1));
  EXPECT_EQ(server_->counts().answers, 3);
}

// A caller in Go that gets an answer after its time-out never reads again.
TEST_F(LinkServerTest, DropsAnswersThatComeTooLate) {
  Listen({.answer_within = absl::Milliseconds(500)});
  handler_.Keep();
  RawLink peer = Dial();
  peer.Write(Asked(link::Bind{1, 1}, 1));
  ASSERT_TRUE(Eventually([&] { return handler_.kept() == 1; }));
  absl::SleepFor(absl::Milliseconds(510));
  handler_.TakeKept()[0].Done(link::Code::kOk);
  ASSERT_TRUE(Eventually([&] { return server_->counts().late == 1; }));
  peer.Write(Asked(link::Handshake{link::InstanceKind::kGate, "g"}, 2));
  EXPECT_EQ(peer.Next(), Answered(Route::kHandshake, 2));
}

TEST_F(LinkServerTest, AForgottenAnswerIsAnError) {
  Listen();
  handler_.Keep();
  RawLink peer = Dial();
  peer.Write(Asked(link::Bind{1, 1}, 1));
  ASSERT_TRUE(Eventually([&] { return handler_.kept() == 1; }));
  handler_.TakeKept();
  EXPECT_EQ(peer.Next(), Answered(Route::kBind, 1, {link::Code::kInternalError}));
  EXPECT_EQ(server_->counts().unanswered, 1);
}

TEST_F(LinkServerTest, AnAnswerForWhoHasGoneIsDropped) {
  Listen();
  handler_.Keep();
  {
    RawLink peer = Dial();
    peer.Write(Asked(link::Bind{1, 1}, 1));
    ASSERT_TRUE(Eventually([&] { return handler_.kept() == 1; }));
  }
  ASSERT_TRUE(Eventually([&] { return server_->counts().open == 0; }));
  handler_.TakeKept()[0].Done(link::Code::kOk);
  EXPECT_TRUE(Eventually([&] { return server_->counts().orphaned == 1; }));
}

TEST_F(LinkServerTest, RefusesWordsThatThereAreNot) {
  Listen();
  RawLink peer = Dial();
  peer.Write(Asked(link::Stat{static_cast<link::SessionKind>(9)}, 1));
  EXPECT_EQ(peer.Next(), Answered(Route::kStat, 1, {link::Code::kInternalError}));
  EXPECT_EQ(handler_.count(), 0);
}

TEST_F(LinkServerTest, DropsWhatIsMalformedOrUnknownAndReadsOn) {
  Listen();
  RawLink peer = Dial();
  const std::string unknown("\0\0\0\x0a\0\x63\0\0\0\0\0\0\0\x01", 14);
  const std::string malformed("\0\0\0\x0b\0\x02\0\0\0\0\0\0\0\x01\0", 15);
  peer.Write(unknown + malformed + Asked(link::GetState{}, 2));
  EXPECT_EQ(peer.Next(), Answered(Route::kGetState, 2, {link::Code::kOk, 1}));
  EXPECT_EQ(server_->counts().unknown, 1);
  EXPECT_EQ(server_->counts().malformed, 1);
}

TEST_F(LinkServerTest, ClosesWhoSendsNoFrames) {
  Listen({.frame_bytes = 100});
  for (const std::string& bytes :
       {std::string(4, '\0'), std::string("\0\0\0\x09\0\x02", 6), std::string("\0\0\0\x65", 4),
        std::string(4, '\xff'), std::string("GET / HTTP/1.1\r\n")}) {
    RawLink peer = Dial();
    peer.Write(bytes);
    EXPECT_EQ(peer.Next(), "");
  }
  EXPECT_TRUE(Eventually(
      [&] { return Ended(LinkEnd::kMalformed) == 2 && Ended(LinkEnd::kTooLarge) == 3; }));
}

TEST_F(LinkServerTest, WhatWasAskedBeforeAreNoFramesIsAnswered) {
  Listen();
  RawLink peer = Dial();
  peer.Write(Asked(link::Bind{1, 1}, 1) + std::string(4, '\0'));
  EXPECT_EQ(peer.Next(), Answered(Route::kBind, 1));
  EXPECT_EQ(peer.Next(), "");
}

TEST_F(LinkServerTest, ClosesWhoIsSilentButNotWhoBeats) {
  Listen({.silence = absl::Seconds(1)});
  RawLink beating = Dial(), silent = Dial();
  silent.Write(kHeartbeat);
  auto end = silent.socket().StartRead();
  while (end.wait_for(std::chrono::milliseconds(20)) != std::future_status::ready)
    beating.Write(kHeartbeat);
  EXPECT_FALSE(end.get().ok());
  EXPECT_TRUE(Eventually([&] { return Ended(LinkEnd::kSilent) == 1; }));
  beating.Write(Asked(link::Bind{1, 1}, 1));
  EXPECT_EQ(beating.Next(), Answered(Route::kBind, 1));
}

TEST_F(LinkServerTest, ProbesAreNoLinks) {
  Listen();
  for (int i = 0; i < 3; ++i) Dial();
  micro::net::RawConnection reset(server_->port());
  reset.Reset();
  EXPECT_TRUE(Eventually([&] { return server_->counts().probes == 4; }));
  EXPECT_EQ(Ended(LinkEnd::kPeer), 0);
}

TEST_F(LinkServerTest, TakesNoMoreConnectionsThanItMay) {
  Listen({.max_connections = 1});
  RawLink first = Dial();
  first.Write(Asked(link::Bind{1, 1}, 1));
  EXPECT_EQ(first.Next(), Answered(Route::kBind, 1));
  EXPECT_EQ(Dial().Next(), "");
  EXPECT_EQ(server_->counts().refused, 1);
}

// So many requests that the kernel does not hold their answers.
constexpr size_t kMany = 1'000'000;
std::string ManyRequests() {
  const std::string one = Asked(link::GetState{}, 7);
  std::string all;
  for (size_t i = 0; i < kMany; ++i) all += one;
  return all;
}

TEST_F(LinkServerTest, WhoReadsNothingHoldsUpNobodyAndLosesNothing) {
  Listen({.write_queue_bytes = 10000});
  RawLink deaf = Dial(), other = Dial();
  auto writing = deaf.socket().StartWrite(ManyRequests());
  other.Write(Asked(link::Bind{1, 1}, 1));
  EXPECT_EQ(other.Next(), Answered(Route::kBind, 1));
  std::string all;
  while (all.size() < 17 * kMany) {
    const auto more = deaf.socket().Read();
    ASSERT_THAT(more, IsOk());
    all += *more;
  }
  const std::string one = Answered(Route::kGetState, 7, {link::Code::kOk, 1});
  std::string expected;
  for (size_t i = 0; i < kMany; ++i) expected += one;
  EXPECT_TRUE(all == expected);
  EXPECT_THAT(writing.get(), IsOk());
}

TEST_F(LinkServerTest, ClosesWhoReadsNothingForLong) {
  Listen({.write_queue_bytes = 10000, .stall_timeout = absl::Milliseconds(100)});
  RawLink deaf = Dial();
  auto writing = deaf.socket().StartWrite(ManyRequests());
  EXPECT_TRUE(Eventually([&] { return Ended(LinkEnd::kStalled) == 1; }));
  EXPECT_FALSE(writing.get().ok());
}

TEST_F(LinkServerTest, ReadsNoMoreThanItMayLeaveUnanswered) {
  Listen({.max_unanswered = 2});
  handler_.Keep();
  RawLink peer = Dial();
  std::string frames;
  for (uint64_t i = 1; i <= 6; ++i) frames += Asked(link::Bind{1, 1}, i);
  peer.Write(frames);
  for (uint64_t i = 1; i <= 6; i += 2) {
    ASSERT_TRUE(Eventually([&] { return handler_.kept() == 2; }));
    for (LinkReply& reply : handler_.TakeKept()) reply.Done(link::Code::kOk);
    EXPECT_EQ(peer.Next(), Answered(Route::kBind, i));
    EXPECT_EQ(peer.Next(), Answered(Route::kBind, i + 1));
  }
}

TEST_F(LinkServerTest, AnswersWhatWasAskedBeforeItStops) {
  Listen();
  handler_.Keep();
  RawLink peer = Dial(), idle = Dial();
  idle.Write(kHeartbeat);
  peer.Write(Asked(link::Bind{1, 1}, 1));
  ASSERT_TRUE(Eventually([&] { return handler_.kept() == 1; }));
  std::thread stopping([&] { BlockOn(server_->Stop(Context())); });
  EXPECT_EQ(idle.Next(), "");
  idle.socket().Close();
  handler_.TakeKept()[0].Done(link::Code::kOk);
  EXPECT_EQ(peer.Next(), Answered(Route::kBind, 1));
  EXPECT_EQ(peer.Next(), "");
  peer.socket().Close();
  stopping.join();
  EXPECT_EQ(server_->counts().open, 0);
}

TEST_F(LinkServerTest, StopsWithItsContextWhateverIsUnanswered) {
  Listen();
  handler_.Keep();
  RawLink peer = Dial();
  peer.Write(Asked(link::Bind{1, 1}, 1));
  ASSERT_TRUE(Eventually([&] { return handler_.kept() == 1; }));
  BlockOn(server_->Stop(micro::WithTimeout(Context(), absl::Milliseconds(50))));
  EXPECT_EQ(server_->counts().open, 0);
  server_.reset();
  handler_.TakeKept()[0].Done(link::Code::kOk);  // nobody is there any more
}

TEST(LinkServerOptionsTest, NameWhatHasNoMeaning) {
  RecordingHandler handler;
  const auto refused = [&](const LinkServerOptions& options, const std::string& name) {
    EXPECT_THAT(LinkServer::Listen(options, handler),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(name)));
  };
  refused({.address = "nowhere"}, "nowhere");
  refused({.frame_bytes = 1}, "frame_bytes");
  refused({.max_connections = 0}, "max_connections");
  refused({.stall_timeout = absl::ZeroDuration()}, "stall_timeout");
  refused({.answer_within = absl::ZeroDuration()}, "answer_within");
}

}  // namespace
}  // namespace due
