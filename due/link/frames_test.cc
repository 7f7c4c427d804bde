// Frames, against the bytes of due v2.5.8 (reference/due.md §6.6 and §6.13), and against bytes that
// no peer of good will sends.
#include "due/link/frames.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "core/testing/status_matchers.h"

namespace due::link {
namespace {

using ::micro::IsOk;
using ::micro::StatusIs;
using ::testing::HasSubstr;

constexpr auto kConn = SessionKind::kConn;
constexpr auto kUser = SessionKind::kUser;

std::string Bytes(const char* hex) {
  return absl::HexStringToBytes(absl::StrReplaceAll(hex, {{" ", ""}}));
}

Frame TakeWhole(const std::string& bytes) {
  std::string_view rest = bytes;
  const auto frame = Take(rest);
  EXPECT_THAT(frame, IsOk());
  EXPECT_TRUE(rest.empty());
  return frame.ok() && frame->has_value() ? **frame : Frame();
}

std::string Appended(const Request& request, uint64_t seq = 1) {
  std::string bytes;
  EXPECT_THAT(Append(request, seq, bytes), IsOk());
  return bytes;
}

const std::string kHello("\0\0\0\x0a\0\0\x01\0\x01hello", 14);
const std::string kLogin("\0\0\0\x12\0\0\x01\0\x01{\"token\":\"t\"}", 22);
const std::string kLoggedIn("\0\0\0\x0f\0\0\x01\0\x01{\"code\":0}", 19);
const std::string kNext("\0\0\0\x07\0\0\x02\0\x02{}", 11);
const std::string kPushed("\0\0\0\x0c\0\0\x64\0\0{\"n\":1}", 16);
constexpr int64_t kTargets[] = {1, 2};
constexpr int64_t kOne[] = {1};
constexpr int64_t kUid[] = {1001};

struct RequestCase {
  Request request;
  uint64_t seq;
  const char* bytes;
};

const RequestCase kRequests[] = {
    {Handshake{InstanceKind::kGate, "g1"}, 1, "0000000d 00 01 0000000000000001 01 6731"},
    {Handshake{InstanceKind::kNode, "n1"}, 1, "0000000d 00 01 0000000000000001 02 6e31"},
    {Handshake{InstanceKind::kNode, "463cfcba-b543-11f0-b2d9-f4f19e1f0070"}, 1,
     "0000002f 00 01 0000000000000001 02 34363363666362612d623534332d313166302d6232"
     "64392d663466313965316630303730"},
    {Bind{1, 1001}, 2, "0000001a 00 02 0000000000000002 0000000000000001 00000000000003e9"},
    {Bind{1, 1001}, 1, "0000001a 00 02 0000000000000001 0000000000000001 00000000000003e9"},
    {Unbind{1001}, 3, "00000012 00 03 0000000000000003 00000000000003e9"},
    {GetIp{kConn, 1}, 4, "00000013 00 04 0000000000000004 01 0000000000000001"},
    {Stat{kUser}, 5, "0000000b 00 05 0000000000000005 02"},
    {IsOnline{kUser, 1001}, 6, "00000013 00 06 0000000000000006 02 00000000000003e9"},
    {Disconnect{kUser, 1001, true}, 7, "00000014 00 07 0000000000000007 02 00000000000003e9 01"},
    {Push{kConn, 1, kHello}, 0,
     "00000021 00 08 0000000000000000 01 0000000000000001 0000000a000001000168656c6c6f"},
    {Push{kUser, 1001, kHello, true}, 8,
     "00000021 40 08 0000000000000008 02 00000000000003e9 0000000a000001000168656c6c6f"},
    {Push{kConn, 1, kLoggedIn}, 0,
     "00000026 00 08 0000000000000000 01 0000000000000001 0000000f00000100017b22636f6465223a307d"},
    {Push{kUser, 1001, kPushed}, 0,
     "00000023 00 08 0000000000000000 02 00000000000003e9 0000000c00006400007b226e223a317d"},
    {Multicast{kUser, kTargets, kHello}, 9,
     "0000002b 00 09 0000000000000009 02 0002 0000000000000001 0000000000000002"
     "0000000a000001000168656c6c6f"},
    {Broadcast{kConn, kHello}, 10,
     "00000019 00 0a 000000000000000a 01 0000000a000001000168656c6c6f"},
    {Publish{"room", kHello}, 11,
     "0000001d 00 0b 000000000000000b 04 726f6f6d 0000000a000001000168656c6c6f"},
    {Subscribe{kConn, kOne, "room"}, 12,
     "00000019 00 0c 000000000000000c 01 0001 0000000000000001 726f6f6d"},
    {Unsubscribe{kUser, kUid, "room"}, 13,
     "00000019 00 0d 000000000000000d 02 0001 00000000000003e9 726f6f6d"},
    {Trigger{Event::kConnect, 1}, 0, "00000013 00 0e 0000000000000000 01 0000000000000001"},
    {Trigger{Event::kReconnect, 1, 1001}, 0,
     "0000001b 00 0e 0000000000000000 02 0000000000000001 00000000000003e9"},
    {Trigger{Event::kDisconnect, 1, 1001}, 0,
     "0000001b 00 0e 0000000000000000 03 0000000000000001 00000000000003e9"},
    {Deliver{1, 1001, kHello}, 0,
     "00000028 00 0f 0000000000000000 0000000000000001 00000000000003e9"
     "0000000a000001000168656c6c6f"},
    {Deliver{0, 1001, kHello}, 0,
     "00000028 00 0f 0000000000000000 0000000000000000 00000000000003e9"
     "0000000a000001000168656c6c6f"},
    {Deliver{1, 0, kLogin}, 0,
     "00000030 00 0f 0000000000000000 0000000000000001 0000000000000000"
     "00000012000001 00017b22746f6b656e223a2274227d"},
    {Deliver{1, 1001, kNext}, 0,
     "00000025 00 0f 0000000000000000 0000000000000001 00000000000003e9 0000000700000200027b7d"},
    {GetState{}, 16, "0000000a 00 10 0000000000000010"},
    {SetState{State::kBusy}, 17, "0000000b 00 11 0000000000000011 02"},
};

TEST(LinkFrames, RequestsAreDuesByteByByte) {
  for (const RequestCase& c : kRequests)
    EXPECT_EQ(absl::BytesToHexString(Appended(c.request, c.seq)),
              absl::BytesToHexString(Bytes(c.bytes)));
}

TEST(LinkFrames, RequestsAreReadAsTheyWereMeant) {
  for (const RequestCase& c : kRequests) {
    SCOPED_TRACE(c.bytes);
    const std::string bytes = Bytes(c.bytes);
    const Frame frame = TakeWhole(bytes);
    EXPECT_EQ(frame.seq, c.seq);
    EXPECT_EQ(frame.route, static_cast<uint8_t>(RouteOf(c.request)));
    std::vector<int64_t> targets;
    const auto request = ParseRequest(frame, targets);
    ASSERT_THAT(request, IsOk());
    EXPECT_TRUE(IsKnown(*request));
    EXPECT_EQ(request->index(), c.request.index());
    EXPECT_EQ(Appended(*request, frame.seq), bytes);
  }
}

TEST(LinkFrames, FieldsAreWhereTheyBelong) {
  std::vector<int64_t> targets;
  const std::string bytes = Appended(Multicast{kUser, kTargets, kHello, true});
  const auto request = ParseRequest(TakeWhole(bytes), targets);
  ASSERT_THAT(request, IsOk());
  const auto& multicast = std::get<Multicast>(*request);
  EXPECT_EQ(multicast.kind, kUser);
  EXPECT_THAT(multicast.targets, ::testing::ElementsAre(1, 2));
  EXPECT_EQ(multicast.packet, kHello);
  EXPECT_TRUE(multicast.disconnect);
  const auto lies_in = [&](std::string_view part) {
    return part.data() >= bytes.data() && part.data() + part.size() <= bytes.data() + bytes.size();
  };
  EXPECT_TRUE(lies_in(multicast.packet));
}

struct ResponseCase {
  Route route;
  uint64_t seq;
  Response response;
  const char* bytes;
};

const ResponseCase kResponses[] = {
    {Route::kHandshake, 1, {}, "0000000c 00 01 0000000000000001 0000"},
    {Route::kBind, 2, {}, "0000000c 00 02 0000000000000002 0000"},
    {Route::kBind, 1, {}, "0000000c 00 02 0000000000000001 0000"},
    {Route::kBind, 2, {Code::kNotFoundSession}, "0000000c 00 02 0000000000000002 0001"},
    {Route::kUnbind, 3, {}, "0000000c 00 03 0000000000000003 0000"},
    {Route::kGetIp, 4, {Code::kOk, 0xc0a80058}, "00000010 00 04 0000000000000004 0000 c0a80058"},
    {Route::kGetIp, 4, {Code::kNotFoundSession}, "0000000c 00 04 0000000000000004 0001"},
    {Route::kStat, 5, {Code::kOk, 20}, "00000014 00 05 0000000000000005 0000 0000000000000014"},
    {Route::kStat, 5, {}, "0000000c 00 05 0000000000000005 0000"},
    {Route::kIsOnline, 6, {Code::kOk, 1}, "0000000d 00 06 0000000000000006 0000 01"},
    {Route::kIsOnline, 6, {Code::kInternalError}, "0000000d 00 06 0000000000000006 0002 00"},
    {Route::kDisconnect, 7, {}, "0000000c 00 07 0000000000000007 0000"},
    {Route::kPush, 8, {}, "0000000c 00 08 0000000000000008 0000"},
    {Route::kMulticast, 9, {Code::kOk, 2}, "00000014 00 09 0000000000000009 0000 0000000000000002"},
    {Route::kMulticast, 9, {}, "0000000c 00 09 0000000000000009 0000"},
    {Route::kBroadcast,
     10,
     {Code::kOk, 3},
     "00000014 00 0a 000000000000000a 0000 0000000000000003"},
    {Route::kPublish, 11, {Code::kOk, 3}, "00000014 00 0b 000000000000000b 0000 0000000000000003"},
    {Route::kPublish, 11, {}, "0000000c 00 0b 000000000000000b 0000"},
    {Route::kSubscribe, 12, {}, "0000000c 00 0c 000000000000000c 0000"},
    {Route::kUnsubscribe, 13, {}, "0000000c 00 0d 000000000000000d 0000"},
    {Route::kTrigger, 14, {}, "0000000c 00 0e 000000000000000e 0000"},
    {Route::kDeliver, 15, {}, "0000000c 00 0f 000000000000000f 0000"},
    {Route::kGetState, 16, {Code::kOk, 1}, "0000000d 00 10 0000000000000010 0000 01"},
    {Route::kSetState, 17, {}, "0000000c 00 11 0000000000000011 0000"},
};

TEST(LinkFrames, ResponsesAreDuesInBothDirections) {
  for (const ResponseCase& c : kResponses) {
    SCOPED_TRACE(c.bytes);
    const std::string expected = Bytes(c.bytes);
    std::string bytes;
    Append(c.route, c.seq, c.response, bytes);
    EXPECT_EQ(absl::BytesToHexString(bytes), absl::BytesToHexString(expected));
    const Frame frame = TakeWhole(expected);
    EXPECT_EQ(frame.seq, c.seq);
    const auto response = ParseResponse(c.route, frame);
    ASSERT_THAT(response, IsOk());
    EXPECT_EQ(response->code, c.response.code);
    EXPECT_EQ(response->value, c.response.value);
  }
}

TEST(LinkFrames, OldPublishAnswersHaveATotalWithoutCode) {
  const std::string bytes = Bytes("00000012 00 0b 000000000000000b 0000000000000003");
  const auto response = ParseResponse(Route::kPublish, TakeWhole(bytes));
  ASSERT_THAT(response, IsOk());
  EXPECT_EQ(response->code, Code::kOk);
  EXPECT_EQ(response->value, 3);
}

TEST(LinkFrames, AShortPublishAnswerIsKnownByWhatFollows) {
  const std::string brief = Bytes("00000014 00 0b 000000000000000b 0000");
  const std::string failed = Bytes("00000014 00 0b 000000000000000b 0002");
  const std::string total = Bytes("0000000000000003");
  const std::string next = Bytes("0000000c 00 02 0000000000000002 0000");
  EXPECT_EQ(CheckShortPublish(brief), ShortPublish::kMaybe);
  EXPECT_EQ(CheckShortPublish(failed), ShortPublish::kYes);
  for (size_t size = 1; size < 8; ++size)
    EXPECT_EQ(CheckShortPublish(brief + total.substr(0, size)), ShortPublish::kMaybe);
  EXPECT_EQ(CheckShortPublish(brief + total), ShortPublish::kNo);
  EXPECT_EQ(CheckShortPublish(brief + next.substr(0, 3)), ShortPublish::kMaybe);
  EXPECT_EQ(CheckShortPublish(brief + next.substr(0, 4)), ShortPublish::kYes);
  EXPECT_EQ(CheckShortPublish(brief.substr(0, 15)), ShortPublish::kNo);
  EXPECT_EQ(CheckShortPublish(next), ShortPublish::kNo);

  const std::string both = brief + next;
  std::string_view rest = both;
  const Frame frame = TakeShortPublish(rest);
  EXPECT_EQ(frame.seq, 11);
  EXPECT_EQ(ParseResponse(Route::kPublish, frame)->value, 0);
  EXPECT_EQ(rest, next);
}

TEST(LinkFrames, AHeartbeatIsFiveBytes) {
  std::string bytes;
  AppendHeartbeat(bytes);
  EXPECT_EQ(bytes, Bytes("0000000180"));
  EXPECT_TRUE(TakeWhole(bytes).is_heartbeat);
}

TEST(LinkFrames, AreTakenOneByOneHoweverTheyAreCut) {
  std::string all;
  AppendHeartbeat(all);
  for (const RequestCase& c : kRequests) all += Bytes(c.bytes);
  for (size_t cut = 0; cut <= all.size(); ++cut) {
    std::string_view rest = std::string_view(all).substr(0, cut);
    size_t taken = 0;
    while (true) {
      const auto frame = Take(rest);
      ASSERT_THAT(frame, IsOk());
      if (!frame->has_value()) break;
      ++taken;
    }
    EXPECT_TRUE(rest.empty() || Wanted(rest) == 0 || Wanted(rest) > rest.size());
    if (cut == all.size()) EXPECT_EQ(taken, std::size(kRequests) + 1);
  }
}

TEST(LinkFrames, SizesThatNoFrameHasEndTheReading) {
  std::string_view none("\0\0\0\0", 4);
  EXPECT_THAT(Take(none), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("size 0")));
  for (char size = 1; size < 10; ++size) {
    const std::string bytes = std::string(3, '\0') + size + std::string(1, '\0');
    std::string_view rest = bytes;
    EXPECT_THAT(Take(rest), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("too short")));
  }
  for (const char* hex : {"01000001", "ffffffff", "ffffffff80"}) {
    const std::string bytes = Bytes(hex);
    std::string_view rest = bytes;
    EXPECT_THAT(Take(rest), StatusIs(absl::StatusCode::kResourceExhausted));
  }
  const std::string small = Bytes("0000000b 00 05 0000000000000005 02");
  std::string_view rest = small;
  EXPECT_THAT(Take(rest, 10), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(LinkFrames, ABodyOfAnotherLengthIsRefused) {
  std::vector<int64_t> targets;
  for (const RequestCase& c : kRequests) {
    const std::string bytes = Bytes(c.bytes);
    const Frame whole = TakeWhole(bytes);
    for (size_t size = 0; size < whole.body.size(); ++size) {
      Frame frame = whole;
      frame.body = whole.body.substr(0, size);
      const auto request = ParseRequest(frame, targets);
      if (!request.ok()) continue;
      std::string again;  // a channel of no bytes is read, but never sent
      if (Append(*request, frame.seq, again).ok()) EXPECT_EQ(again.size(), 14 + size);
    }
  }
  const auto refused = [&](Route route, size_t size) {
    const std::string body(size, '\1');
    const Frame frame{.route = static_cast<uint8_t>(route), .seq = 1, .body = body};
    EXPECT_THAT(ParseRequest(frame, targets), StatusIs(absl::StatusCode::kInvalidArgument))
        << NameOf(route) << " " << size;
  };
  using enum Route;
  for (const auto& [route, size] : std::vector<std::pair<Route, size_t>>{
           {kHandshake, 0}, {kBind, 15},       {kBind, 17},     {kUnbind, 9},     {kGetIp, 8},
           {kStat, 0},      {kStat, 2},        {kIsOnline, 8},  {kDisconnect, 9}, {kPush, 8},
           {kMulticast, 2}, {kMulticast, 100}, {kBroadcast, 0}, {kPublish, 0},    {kPublish, 1},
           {kSubscribe, 3}, {kTrigger, 8},     {kTrigger, 16},  {kTrigger, 18},   {kDeliver, 15},
           {kGetState, 1},  {kSetState, 0},    {kSetState, 2}})
    refused(route, size);
  EXPECT_THAT(ParseRequest({.route = 0}, targets), StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_THAT(ParseRequest({.route = 18}, targets), StatusIs(absl::StatusCode::kUnimplemented));
}

TEST(LinkFrames, AnAnswerThatDoesNotFitIsRefused) {
  for (const ResponseCase& c : kResponses) {
    SCOPED_TRACE(c.bytes);
    const std::string bytes = Bytes(c.bytes) + "xyz";
    const std::string_view body = std::string_view(bytes).substr(14);
    Frame frame{.route = static_cast<uint8_t>(c.route), .seq = c.seq};
    for (const size_t size : {body.size() - 4, body.size() - 2, body.size()}) {
      frame.body = body.substr(0, size);
      EXPECT_THAT(ParseResponse(c.route, frame), StatusIs(absl::StatusCode::kInvalidArgument))
          << size;
    }
    frame.body = body.substr(0, body.size() - 3);
    frame.route = 99;
    EXPECT_THAT(ParseResponse(c.route, frame), StatusIs(absl::StatusCode::kInvalidArgument));
  }
}

TEST(LinkFrames, WhatGoWouldNotSurviveIsNotSent) {
  const std::vector<int64_t> many(kMostTargets + 1, 1), negative{1, -1};
  const std::string large(kMostFrameBytes, 'x'), channel(kMostChannelBytes + 1, 'c');
  const auto refused = [](const Request& request, const std::string& why) {
    std::string out = "before";
    EXPECT_THAT(Append(request, 1, out),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)));
    EXPECT_EQ(out, "before");
  };
  refused(Bind{-1, 1}, "below zero");
  refused(Bind{1, -1}, "below zero");
  refused(Push{kConn, -1, kHello}, "below zero");
  refused(Deliver{-1, 0, kHello}, "below zero");
  refused(Trigger{Event::kConnect, 1, -1}, "below zero");
  refused(Multicast{kConn, negative, kHello}, "below zero");
  refused(Multicast{kConn, many, kHello}, "8190 targets");
  refused(Subscribe{kConn, many, "room"}, "8190 targets");
  refused(Subscribe{kConn, kOne, ""}, "channel");
  refused(Publish{channel, kHello}, "channel has 241 bytes");
  refused(Deliver{1, 1, large}, "at most");
}

TEST(LinkFrames, TheMostThatMayBeSentIsReadAgain) {
  const std::vector<int64_t> many(kMostTargets, 7);
  const std::string channel(kMostChannelBytes, 'c');
  std::vector<int64_t> targets;
  const std::string bytes = Appended(Subscribe{kConn, many, channel});
  const auto request = ParseRequest(TakeWhole(bytes), targets);
  ASSERT_THAT(request, IsOk());
  EXPECT_EQ(std::get<Subscribe>(*request).targets.size(), kMostTargets);
  EXPECT_EQ(std::get<Subscribe>(*request).channel, channel);
}

TEST(LinkFrames, WordsThatThereAreNotAreNoticed) {
  EXPECT_FALSE(IsKnown(Stat{static_cast<SessionKind>(0)}));
  EXPECT_FALSE(IsKnown(Push{static_cast<SessionKind>(3), 1, kHello}));
  EXPECT_FALSE(IsKnown(Trigger{static_cast<Event>(4), 1}));
  EXPECT_FALSE(IsKnown(SetState{static_cast<State>(4)}));
  EXPECT_TRUE(IsKnown(GetState{}));
}

TEST(LinkFrames, CodesAreErrors) {
  EXPECT_THAT(ToStatus(Code::kOk), IsOk());
  EXPECT_THAT(ToStatus(Code::kNotFoundSession), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(ToStatus(static_cast<Code>(9)),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("code 9")));
}

}  // namespace
}  // namespace due::link
