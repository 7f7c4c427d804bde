// What a crowd of players loses while others do their worst: on the link ports of its gate and node,
// as members that do not answer, or as one player who floods the gate.
#include <gmock/gmock.h>

#include <array>
#include <memory>

#include "core/net/socket_fixture.h"
#include "core/testing/eventually.h"
#include "due/instances/instance_registry.h"
#include "due/link/server.h"
#include "due/packet/packer.h"
#include "tests/interop/crowd_process.h"

namespace interop {
namespace {

namespace link = due::link;
using micro::BlockOn;
using micro::Context;
using micro::Eventually;
using micro::IsOk;
using micro::net::BlockingSocket;
using micro::net::Noise;

#if __has_feature(address_sanitizer)
constexpr int64_t kMayGrowKiB = 1 << 20;  // it keeps what was freed
#elif __has_feature(thread_sanitizer)
constexpr int64_t kMayGrowKiB = 128 << 10;
#else
constexpr int64_t kMayGrowKiB = 8 << 10;
#endif

// The crowd waits for answers as long as the machine may take, and is to lose none.
class HostileTest : public testing::Test {
 protected:
  explicit HostileTest(const std::vector<std::string>& gate_flags = {})
      : gate_(servers_, "gate", "g1", gate_flags) {}

  absl::StatusOr<BlockingSocket> Dial(const std::string& address) {
    return micro::net::Dial(loops_[0], address);
  }

  void NoteMemory() { before_ = {gate_.ResidentKiB(), node_.ResidentKiB()}; }

  // Since it was noted.
  void ExpectLittleMoreMemory(const std::string& after) {
    const int64_t gate = gate_.ResidentKiB() - before_[0], node = node_.ResidentKiB() - before_[1];
    std::printf("%s: the gate holds %+ld KiB, the node %+ld KiB\n", after.c_str(), gate, node);
    EXPECT_LT(gate, kMayGrowKiB);
    EXPECT_LT(node, kMayGrowKiB);
  }

  void EndWithNothingLost() {
    CrowdProcess::Counts all = crowd_.Finish();
    for (const char* what :
         {"wrong", "lost_echo", "lost_stateful", "connections_lost", "logins_again", "rebound"})
      EXPECT_EQ(all[what], 0) << what;
    EXPECT_GT(all["answered"], 0);
    EXPECT_EQ(gate_.Stop(), 0);
    EXPECT_EQ(node_.Stop(), 0);
  }

  micro::net::Loops loops_{1};
  GameServers servers_;
  GameMember node_{servers_, "node", "n1"}, gate_;
  CrowdProcess crowd_{{&gate_}, {"--limit=10s"}};
  std::array<int64_t, 2> before_ = {};
};

// ---- On a link's port ----

std::string Size(uint32_t size) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift);
  return bytes;
}

std::string FrameOf(const link::Request& request, uint64_t seq) {
  std::string frame;
  EXPECT_THAT(link::Append(request, seq, frame), IsOk());
  return frame;
}

// A frame of any route and body.
std::string Frame(uint8_t route, uint64_t seq, const std::string& body) {
  std::string frame = Size(static_cast<uint32_t>(10 + body.size()));
  frame += '\0';
  frame += static_cast<char>(route);
  for (int shift = 56; shift >= 0; shift -= 8) frame += static_cast<char>(seq >> shift);
  return frame + body;
}

// Each on a connection of its own, which stays open.
std::vector<std::string> NoFrames() {
  std::vector<std::string> all;
  for (uint32_t size = 0; size < 10; ++size) all.push_back(Size(size) + std::string(size, '\0'));
  for (const uint32_t size : {UINT32_MAX, UINT32_MAX - 3, uint32_t{1} << 31, (16u << 20) + 1})
    all.push_back(Size(size) + Noise(1000));
  for (const size_t size : {1, 3, 10, 1000, 100'000}) all.push_back(Noise(size));
  // Halves, whose rest never comes.
  const std::string whole = FrameOf(link::Deliver{.cid = 1, .uid = 1, .packet = Noise(1000)}, 0);
  for (const size_t size : {1, 4, 9, 500}) all.push_back(whole.substr(0, size));
  all.push_back(Size(16 << 20) + Noise(100'000));
  return all;
}

// All routes that there are and that there are not, from one who says that he is `id`. None has a
// single byte, which could tell a state.
std::string Nonsense(link::InstanceKind kind, const std::string& id) {
  std::string all = FrameOf(link::Handshake{.kind = kind, .id = id}, 1);
  for (int route = 0; route < 256; ++route) {
    for (const size_t size : {0, 2, 8, 9, 16, 17, 100})
      all += Frame(static_cast<uint8_t>(route), 2, Noise(size));
  }
  return all;
}

TEST_F(HostileTest, WhoSpeaksNoLinkProtocolCostsTheCrowdNothing) {
  NoteMemory();
  std::vector<BlockingSocket> peers;
  const auto attack = [&](const std::string& address, const std::string& bytes) {
    auto peer = Dial(address);
    ASSERT_THAT(peer, IsOk());
    if (!bytes.empty()) (void)peer->Write(bytes);  // it may have been left by then
    peers.push_back(*std::move(peer));
  };
  for (const auto& [member, kind] : {std::pair(&gate_, link::InstanceKind::kGate),
                                     std::pair(&node_, link::InstanceKind::kNode)}) {
    for (int round = 0; round < 10; ++round) {
      for (const std::string& bytes : NoFrames()) attack(member->link(), bytes);
      attack(member->link(), Nonsense(kind, member->id()));
    }
    for (int i = 0; i < 500; ++i) attack(member->link(), "");
  }
  EXPECT_TRUE(crowd_.IsWellAgain("hostile links"));
  ExpectLittleMoreMemory("hostile links");
  peers.clear();
  EXPECT_TRUE(crowd_.IsWellAgain("they have gone"));
  EndWithNothingLost();
}

// ---- Members that answer late, or never ----

// A gate that keeps what it is asked.
class SlowGate final : public due::LinkHandler {
 public:
  void Handle(const std::shared_ptr<const due::LinkPeer>&, const link::Request&,
              due::LinkReply reply) override {
    micro::MutexLock lock(mutex_);
    kept_.push_back(std::move(reply));
  }

  size_t asked() const {
    micro::MutexLock lock(mutex_);
    return kept_.size();
  }

  void Answer() {
    std::vector<due::LinkReply> kept;
    {
      micro::MutexLock lock(mutex_);
      kept.swap(kept_);
    }
    for (due::LinkReply& reply : kept) reply.Done(link::Code::kOk);
  }

 private:
  mutable micro::Mutex mutex_;
  std::vector<due::LinkReply> kept_ ABSL_GUARDED_BY(mutex_);
};

// A login through a gate, of a player that there is not.
std::string Login(int64_t cid) {
  std::string packet;
  EXPECT_THAT(due::Packer::New()->Pack({.route = 2, .body = R"({"uid":7})"}, packet), IsOk());
  return FrameOf(link::Deliver{.cid = cid, .uid = 0, .packet = packet}, 0);
}

TEST_F(HostileTest, MembersThatAnswerLateOrNeverHoldUpNobodyElse) {
  constexpr int kLogins = 500;  // of each gate
  const auto registry =
      due::InstanceRegistry::New("consul", {.addresses = {servers_.consul->address()}});
  ASSERT_THAT(registry, IsOk());
  const auto enter = [&](due::Instance instance, int port) {
    instance.state = "work";
    instance.endpoint = "drpc://127.0.0.1:" + std::to_string(port) + "?is_secure=false";
    EXPECT_THAT(BlockOn((*registry)->Register(Context(), instance)), IsOk());
  };
  // One that the gate would tell of players, and that does not even shake hands.
  micro::net::Server mute;
  enter({.id = "mute", .kind = "node", .alias = "mute", .events = {1, 2, 3}}, mute.port());
  std::array<SlowGate, 2> gates;
  std::vector<std::unique_ptr<due::LinkServer>> servers;
  for (SlowGate& gate : gates) {
    auto server = due::LinkServer::Listen(
        {.address = "127.0.0.1:0", .answer_within = absl::InfiniteDuration()}, gate);
    ASSERT_THAT(server, IsOk());
    servers.push_back(*std::move(server));
  }
  enter({.id = "late", .kind = "gate", .alias = "gate"}, servers[0]->port());
  enter({.id = "never", .kind = "gate", .alias = "gate"}, servers[1]->port());

  std::vector<BlockingSocket> peers;
  for (const size_t i : {0, 1}) {
    auto peer = Dial(node_.link());
    ASSERT_THAT(peer, IsOk());
    const std::string id = i == 0 ? "late" : "never";
    ASSERT_THAT(peer->Write(FrameOf(link::Handshake{link::InstanceKind::kGate, id}, 1)), IsOk());
    // The node hears of the gate a moment later.
    EXPECT_TRUE(Eventually([&] {
      EXPECT_THAT(peer->Write(Login(1)), IsOk());
      return gates[i].asked() > 0;
    }));
    peers.push_back(*std::move(peer));
  }
  NoteMemory();
  for (size_t i = 0; i < peers.size(); ++i) {
    std::string logins;
    for (int cid = 2; cid < 2 + kLogins; ++cid) logins += Login(cid);
    ASSERT_THAT(peers[i].Write(logins), IsOk());
    EXPECT_TRUE(Eventually([&] { return gates[i].asked() >= kLogins; }));
  }
  std::vector<BlockingSocket> players;
  for (int i = 0; i < 50; ++i) {
    auto player = Dial(gate_.address());
    ASSERT_THAT(player, IsOk());
    players.push_back(*std::move(player));
  }
  // Longer than a call lasts.
  for (int second = 0; second < 4; ++second) EXPECT_EQ(crowd_.NextSecond()["lost_stateful"], 0);
  gates[0].Answer();
  EXPECT_TRUE(crowd_.IsWellAgain("1000 logins by gates that do not answer"));
  ExpectLittleMoreMemory("late and silent members");
  players.clear();
  peers.clear();
  EndWithNothingLost();
}

// ---- A flood ----

// By one player, of a gate that reads so many packets of each in a second.
class FloodTest : public HostileTest {
 protected:
  explicit FloodTest(const std::string& rate) : HostileTest({"--player_rate=" + rate}) {}

  static void Print(const char* what, CrowdProcess::Counts second) {
    std::printf("%s: p50 %ld us, p99 %ld us, lost %ld\n", what, second["p50_us"], second["p99_us"],
                second["lost_echo"] + second["lost_stateful"]);
  }

  void Flood() {
    NoteMemory();
    for (int second = 0; second < 2; ++second) Print("without a flood", crowd_.NextSecond());
    micro::SpawnedProgram flood({"tests/interop/crowd", "--flood", "--players=1", "--seconds=5",
                                 "--address=" + gate_.address()});
    EXPECT_TRUE(flood.Line().starts_with("ready"));
    for (int second = 0; second < 3; ++second) Print("with a flood", crowd_.NextSecond());
    std::printf("the flood: %s\n", flood.Line().c_str());
    EXPECT_EQ(flood.Wait(), 0) << flood.Log();
    EXPECT_TRUE(crowd_.IsWellAgain("a flood"));
    ExpectLittleMoreMemory("a flood");
  }
};

struct SlowedFloodTest : FloodTest {
  SlowedFloodTest() : FloodTest("1000") {}
};
struct FreeFloodTest : FloodTest {
  FreeFloodTest() : FloodTest("0") {}
};

TEST_F(SlowedFloodTest, CostsOthersNothing) {
  Flood();
  EndWithNothingLost();
}

TEST_F(FreeFloodTest, GivesNobodyTheAnswersOfOthersAndEnds) {
  Flood();
  EXPECT_EQ(crowd_.Finish()["wrong"], 0);
  EXPECT_EQ(gate_.Stop(), 0);
  EXPECT_EQ(node_.Stop(), 0);
}

}  // namespace
}  // namespace interop
