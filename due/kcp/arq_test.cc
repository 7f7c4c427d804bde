#include "due/kcp/arq.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace due {
namespace {

constexpr uint32_t kConv = 0x12345678;

// What is wrong with the network, of 1: each in its own place.
struct Weather {
  double loss = 0, twice = 0;
  uint32_t delay = 20, more_delay = 0;  // ms, and up to so many more, which changes the order
};

class Letters final : public Outbox {
 public:
  char* Room() override {
    room_.assign(kMostDatagram, '\0');
    return room_.data();
  }
  void Put(size_t size) override { sent.push_back(room_.substr(0, size)); }

  std::vector<std::string> sent;

 private:
  std::string room_;
};

// Two sides and the network between them, in a time of their own.
class Wire {
 public:
  Wire(const KcpOptions& left, const KcpOptions& right, Weather weather, uint32_t seed = 1,
       uint32_t first = 0, uint32_t start = 0)
      : options_{left, right}, weather_(weather), start_(start), random_(seed) {
    sides_.reserve(2);
    for (const KcpOptions& options : options_)
      sides_.push_back(std::make_unique<Arq>(kConv, options, pool_, first));
  }

  Arq& left() { return *sides_[0]; }
  Arq& right() { return *sides_[1]; }
  uint32_t now() const { return static_cast<uint32_t>(start_ + time_); }
  uint64_t time() const { return time_; }
  void set_weather(Weather weather) { weather_ = weather; }
  int datagrams() const { return datagrams_; }
  size_t largest() const { return largest_; }

  // Flushes what is due, and goes on to the next thing that happens; false: nothing will.
  bool Step() {
    FlushDue();
    uint64_t next = letters_.empty() ? UINT64_MAX : letters_.begin()->first;
    for (const auto& side : sides_) {
      if (const auto due = side->due(); due.has_value())
        next = std::min(next, time_ + static_cast<uint64_t>(Distance(*due, now())));
    }
    if (next == UINT64_MAX) return false;
    time_ = std::max(time_, next);
    while (!letters_.empty() && letters_.begin()->first <= time_) {
      auto [to, letter] = std::move(letters_.begin()->second);
      letters_.erase(letters_.begin());
      std::string_view segments = letter;
      EXPECT_EQ(Open(segments), Carried::kSegments);
      // A peer's window is thought to be 32 until it tells.
      EXPECT_TRUE(sides_[to]->Take(segments, now()) || options_[to].receive_window < 32);
    }
    return true;
  }

  void FlushDue() {
    for (size_t from = 0; from < 2; ++from) {
      if (!sides_[from]->IsDue(now())) continue;
      Letters outbox;
      sides_[from]->Flush(now(), outbox);
      EXPECT_FALSE(sides_[from]->IsDue(now()));
      for (std::string& letter : outbox.sent) Send(1 - from, std::move(letter));
    }
  }

 private:
  double Chance() { return std::uniform_real_distribution<double>()(random_); }

  void Send(size_t to, std::string letter) {
    ++datagrams_;
    largest_ = std::max(largest_, letter.size());
    for (const int copies = Chance() < weather_.twice ? 2 : 1; int i : {0, 1}) {
      if (i == copies || Chance() < weather_.loss) continue;
      const uint32_t more = weather_.more_delay == 0 ? 0 : random_() % weather_.more_delay;
      letters_.emplace(time_ + weather_.delay + more, std::pair(to, letter));
    }
  }

  const KcpOptions options_[2];
  BlockPool pool_;
  std::vector<std::unique_ptr<Arq>> sides_;
  Weather weather_;
  uint64_t time_ = 0;
  const uint32_t start_;
  std::mt19937 random_;
  std::multimap<uint64_t, std::pair<size_t, std::string>> letters_;
  int datagrams_ = 0;
  size_t largest_ = 0;
};

std::string Noise(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  std::string noise(size, '\0');
  for (char& c : noise) c = static_cast<char>(random());
  return noise;
}

// Sends bytes in both directions; whether all of them came, in order.
::testing::AssertionResult Exchange(Wire& wire, size_t size, size_t piece = 5000) {
  struct Way {
    Arq& from;
    Arq& to;
    std::string sent;
    size_t written = 0, read = 0;
  };
  Way ways[] = {{wire.left(), wire.right(), Noise(size, 1)},
                {wire.right(), wire.left(), Noise(size, 2)}};
  const uint64_t end = wire.time() + 3'600'000;
  std::string buffer(3000, '\0');
  while (std::any_of(std::begin(ways), std::end(ways),
                     [](Way& way) { return way.read < way.sent.size(); })) {
    for (Way& way : ways) {
      way.written +=
          way.from.Write(std::string_view(way.sent).substr(way.written, piece), wire.now());
      while (way.to.readable() > 0) {
        const size_t count = way.to.Read(buffer.data(), buffer.size(), wire.now());
        if (way.sent.compare(way.read, count, buffer, 0, count) != 0)
          return ::testing::AssertionFailure() << "other bytes from " << way.read;
        way.read += count;
      }
      if (way.from.is_dead()) return ::testing::AssertionFailure() << "a side thinks it dead";
    }
    if (!wire.Step()) return ::testing::AssertionFailure() << "nothing happens any more";
    if (wire.time() > end) return ::testing::AssertionFailure() << "it takes more than an hour";
  }
  return ::testing::AssertionSuccess();
}

const KcpOptions kGame = {.no_delay = {1, 10, 2, 1}};

TEST(Arq, CarriesBytesInOrderBothWays) {
  Wire wire({}, {}, {});
  EXPECT_TRUE(Exchange(wire, 1 << 20));
  EXPECT_LE(wire.largest(), 1400u);
}

TEST(Arq, CarriesBytesInOrderThroughAnyWeather) {
  for (const double loss : {0.0, 0.2, 0.5}) {
    for (const double twice : {0.0, 0.3}) {
      for (const uint32_t more_delay : {0, 60}) {
        for (const KcpOptions& options : {KcpOptions{}, kGame}) {
          SCOPED_TRACE(fmt::format("loss {} twice {} delay {} nodelay {}", loss, twice, more_delay,
                                   options.no_delay.nodelay));
          Wire wire(options, options, {.loss = loss, .twice = twice, .more_delay = more_delay});
          EXPECT_TRUE(Exchange(wire, 100'000));
        }
      }
    }
  }
}

TEST(Arq, CarriesBytesWithAllOptions) {
  const KcpOptions sizes[] = {
      {.mtu = 50, .send_window = 32, .receive_window = 32},
      {.mtu = 1500, .send_window = 1, .receive_window = 1},
      {.mtu = 1400, .send_window = 128, .receive_window = 8},
      {.mtu = 576, .send_window = 5, .receive_window = 1000},
  };
  for (KcpOptions options : sizes) {
    for (int bits = 0; bits < 64; ++bits) {
      options.no_delay = {.nodelay = bits & 1,
                          .interval_ms = (bits & 2) != 0 ? 10 : 100,
                          .resend = (bits & 4) != 0 ? 2 : 0,
                          .nc = (bits & 8) != 0 ? 1 : 0};
      options.ack_no_delay = (bits & 16) != 0;
      options.write_delay = (bits & 32) != 0;
      SCOPED_TRACE(fmt::format("mtu {} bits {}", options.mtu, bits));
      Wire wire(options, kGame, {.loss = 0.1, .twice = 0.1, .more_delay = 30});
      EXPECT_TRUE(Exchange(wire, 10'000, 700));
    }
  }
}

TEST(Arq, GoesRoundAtTheEndOfNumbersAndTimes) {
  for (const uint32_t before : {1, 7, 100}) {
    Wire wire(kGame, {}, {.loss = 0.2, .twice = 0.2, .more_delay = 60}, 3, 0u - before,
              0u - before * 10);
    EXPECT_TRUE(Exchange(wire, 300'000));
  }
}

TEST(Arq, SendsNothingWhenNothingIsUnderWay) {
  Wire wire({}, {}, {});
  EXPECT_FALSE(wire.Step());
  EXPECT_TRUE(Exchange(wire, 1000));
  while (wire.Step()) {
  }
  EXPECT_LT(wire.time(), 1000u);
  EXPECT_EQ(wire.left().unacknowledged(), 0u);
  EXPECT_EQ(wire.right().due(), std::nullopt);
}

TEST(Arq, PutsTheAcknowledgementIntoTheAnswersDatagram) {
  Wire wire({}, {}, {.delay = 5});
  char buffer[100];
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(wire.left().Write("question", wire.now()), 8u);
    while (wire.right().readable() == 0) ASSERT_TRUE(wire.Step());
    EXPECT_EQ(wire.right().Read(buffer, sizeof(buffer), wire.now()), 8u);
    EXPECT_EQ(wire.right().Write("answer", wire.now()), 6u);
    while (wire.left().readable() == 0) ASSERT_TRUE(wire.Step());
    EXPECT_EQ(wire.left().Read(buffer, sizeof(buffer), wire.now()), 6u);
  }
  EXPECT_EQ(wire.datagrams(), 20);
}

// The bytes of a conversation's first datagrams.
TEST(Arq, SpeaksAsTheProtocolSays) {
  BlockPool pool;
  const KcpOptions options = kGame;
  Arq arq(kConv, options, pool);
  EXPECT_EQ(arq.due(), std::nullopt);
  EXPECT_EQ(arq.Write("hi", 1000), 2u);
  Letters outbox;
  ASSERT_TRUE(arq.IsDue(1000));
  arq.Flush(1000, outbox);
  ASSERT_EQ(outbox.sent.size(), 1u);
  using std::string_literals::operator""s;
  EXPECT_EQ(outbox.sent[0],
            "\x78\x56\x34\x12"
            "\x51\x00\x20\x00"
            "\xe8\x03\x00\x00"s
            "\x00\x00\x00\x00"
            "\x00\x00\x00\x00"
            "\x02\x00\x00\x00"
            "hi"s);

  // The peer's acknowledgement and first push, in one datagram.
  const std::string answer =
      "\x78\x56\x34\x12"
      "\x52\x00\x80\x00"
      "\xe8\x03\x00\x00"s
      "\x00\x00\x00\x00"
      "\x01\x00\x00\x00"
      "\x00\x00\x00\x00"s
      "\x78\x56\x34\x12"
      "\x51\x07\x80\x00"
      "\x05\x00\x00\x00"s
      "\x00\x00\x00\x00"
      "\x01\x00\x00\x00"
      "\x03\x00\x00\x00"
      "you"s;
  EXPECT_TRUE(arq.Take(answer, 1030));
  EXPECT_EQ(arq.unacknowledged(), 0u);
  char buffer[10];
  ASSERT_EQ(arq.Read(buffer, sizeof(buffer), 1030), 3u);
  EXPECT_EQ(std::string_view(buffer, 3), "you");
  EXPECT_FALSE(arq.IsDue(1039));
  ASSERT_TRUE(arq.IsDue(1040));
  outbox.sent.clear();
  arq.Flush(1040, outbox);
  ASSERT_EQ(outbox.sent.size(), 1u);
  EXPECT_EQ(outbox.sent[0],
            "\x78\x56\x34\x12"
            "\x52\x00\x20\x00"
            "\x05\x00\x00\x00"s
            "\x00\x00\x00\x00"
            "\x01\x00\x00\x00"
            "\x00\x00\x00\x00"s);
}

TEST(Arq, TakesNoMoreThanItsWindowsHold) {
  Wire wire({}, {}, {});
  const std::string much = Noise(1 << 20, 1);
  size_t written = 0;
  for (int i = 0; i < 200; ++i) {
    written += wire.left().Write(std::string_view(much).substr(written), wire.now());
    if (!wire.Step()) break;
  }
  EXPECT_EQ(wire.left().unacknowledged(), 64u);
  EXPECT_EQ(wire.right().readable(), 32u * 1376);
  EXPECT_EQ(written, (64u + 32u) * 1376);
}

TEST(Arq, OpensTheWindowForAReaderThatComesLate) {
  for (const double loss : {0.0, 0.5}) {
    Wire wire(kGame, kGame, {.loss = loss});
    const std::string much = Noise(300'000, 1);
    size_t written = 0, read = 0;
    std::string buffer(100'000, '\0');
    while (read < much.size()) {
      // The reader sleeps for a minute, and then takes all that is there.
      const uint64_t wake_up = wire.time() + 60'000;
      while (wire.time() < wake_up) {
        written += wire.left().Write(std::string_view(much).substr(written), wire.now());
        if (!wire.Step()) break;
      }
      ASSERT_FALSE(wire.left().is_dead());
      while (wire.right().readable() > 0) {
        const size_t count = wire.right().Read(buffer.data(), buffer.size(), wire.now());
        ASSERT_EQ(much.compare(read, count, buffer, 0, count), 0);
        read += count;
      }
      ASSERT_LT(wire.time(), 3'600'000u);
    }
  }
}

TEST(Arq, IsDeadWhenItsPeerIsSilent) {
  for (const KcpOptions& options : {KcpOptions{}, kGame}) {
    Wire wire(options, options, {.loss = 1});
    wire.left().Write("anybody?", wire.now());
    while (!wire.left().is_dead()) {
      ASSERT_TRUE(wire.Step());
      ASSERT_LT(wire.time(), 60'000u);
    }
    EXPECT_GE(wire.time(), 10'000u);
    EXPECT_GE(wire.datagrams(), 20);
  }
}

TEST(Arq, OutlivesAMomentWithoutANetwork) {
  Wire wire(kGame, kGame, {});
  EXPECT_TRUE(Exchange(wire, 1000));
  wire.left().Write("anybody?", wire.now());
  wire.set_weather({.loss = 1});
  for (const uint64_t until = wire.time() + 9'000; wire.time() < until;) ASSERT_TRUE(wire.Step());
  wire.set_weather({});
  while (wire.right().readable() == 0) ASSERT_TRUE(wire.Step());
  EXPECT_FALSE(wire.left().is_dead());
}

TEST(Arq, SendsAgainSoonWhatLaterAcknowledgementsShowLost) {
  BlockPool pool;
  const KcpOptions options = kGame;
  Arq left(kConv, options, pool), right(kConv, options, pool);
  Letters outbox;
  for (int i = 0; i < 4; ++i) {
    left.Write(Noise(1376, 1), 0);
    left.Flush(0, outbox);
  }
  ASSERT_EQ(outbox.sent.size(), 4u);
  for (int i = 1; i < 4; ++i) right.Take(outbox.sent[static_cast<size_t>(i)], 5);
  Letters acks;
  ASSERT_TRUE(right.IsDue(5)) << "a gap is told at once";
  right.Flush(5, acks);
  ASSERT_EQ(acks.sent.size(), 1u);
  EXPECT_TRUE(left.Take(acks.sent[0], 10));
  ASSERT_TRUE(left.IsDue(10));
  Letters again;
  left.Flush(10, again);
  ASSERT_EQ(again.sent.size(), 1u);
  EXPECT_EQ(again.sent[0].substr(kSegmentHead), outbox.sent[0].substr(kSegmentHead));
}

// One segment, as a datagram.
std::string Made(const Segment& segment) {
  std::string bytes(kSegmentHead, '\0');
  WriteHead(segment, bytes.data());
  return bytes.append(segment.bytes);
}

TEST(Arq, LeavesOutNumbersThatCannotBe) {
  BlockPool pool;
  const KcpOptions options = kGame;
  Arq arq(kConv, options, pool);
  arq.Write("hello", 0);
  Letters outbox;
  arq.Flush(0, outbox);
  const Segment hostile[] = {
      {.command = Segment::kPush, .sn = 32, .bytes = "x"},
      {.command = Segment::kPush, .sn = 1u << 30, .bytes = "x"},
      {.command = Segment::kPush, .sn = (1u << 31) - 1, .bytes = "x"},
      {.command = Segment::kPush, .sn = 0, .una = 2, .bytes = "x"},
      {.command = Segment::kAck, .sn = 1},
      {.command = Segment::kAck, .sn = 1000},
      {.command = Segment::kAck, .sn = 0, .una = 0x7fffffff},
      {.command = Segment::kTell, .una = 100},
  };
  for (Segment segment : hostile) {
    segment.conv = kConv;
    segment.window = 32;
    EXPECT_FALSE(arq.Take(Made(segment), 1)) << segment.sn;
    EXPECT_EQ(arq.readable(), 0u);
    EXPECT_EQ(arq.unacknowledged(), 1u);
  }
}

TEST(Arq, AnswersAFloodOfCopiesWithOneDatagram) {
  BlockPool pool;
  const KcpOptions options;
  Arq arq(kConv, options, pool);
  const std::string first = Made({.conv = kConv, .sn = 0, .bytes = "x"});
  const std::string third = Made({.conv = kConv, .sn = 2, .bytes = "x"});
  for (int i = 0; i < 100'000; ++i) {
    arq.Take(first, 0);
    arq.Take(third, 0);
  }
  EXPECT_EQ(arq.readable(), 1u);
  Letters outbox;
  arq.Flush(0, outbox);
  EXPECT_EQ(outbox.sent.size(), 1u);
}

TEST(Arq, PassesOverSegmentsWithoutBytes) {
  BlockPool pool;
  const KcpOptions options;
  Arq arq(kConv, options, pool);
  for (uint32_t sn = 0; sn < 1000; ++sn) EXPECT_TRUE(arq.Take(Made({.conv = kConv, .sn = sn}), 0));
  EXPECT_EQ(arq.readable(), 0u);
  EXPECT_TRUE(arq.Take(Made({.conv = kConv, .sn = 1000, .bytes = "x"}), 0));
  EXPECT_EQ(arq.readable(), 1u);
}

TEST(Arq, JoinsTheFragmentsOfAPeersMessages) {
  BlockPool pool;
  const KcpOptions options;
  Arq arq(kConv, options, pool);
  arq.Take(Made({.conv = kConv, .fragment = 2, .sn = 0, .bytes = "one "}), 0);
  arq.Take(Made({.conv = kConv, .fragment = 0, .sn = 2, .bytes = "three"}), 0);
  arq.Take(Made({.conv = kConv, .fragment = 1, .sn = 1, .bytes = "two "}), 0);
  char buffer[20];
  EXPECT_EQ(std::string_view(buffer, arq.Read(buffer, sizeof(buffer), 0)), "one two three");
}

}  // namespace
}  // namespace due
