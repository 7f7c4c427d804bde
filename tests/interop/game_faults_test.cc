// What a crowd of players loses when parts of a game's cluster go, and that nobody has to do
// anything until it plays on. How soon is printed, and judged by nobody.
#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "core/testing/status_matchers.h"
#include "tests/interop/crowd_process.h"

namespace interop {
namespace {

using micro::IsOk;

void Wait(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

// The end of each test: nothing was wrong, and all members still run and can be stopped.
CrowdProcess::Counts End(CrowdProcess& crowd, const std::vector<GameMember*>& members) {
  CrowdProcess::Counts all = crowd.Finish();
  EXPECT_EQ(all["wrong"], 0);
  EXPECT_EQ(all["sent"], all["answered"] + all["lost_echo"] + all["lost_stateful"]);
  for (GameMember* member : members) {
    EXPECT_TRUE(member->IsRunning()) << member->id() << "\n" << member->Log();
    EXPECT_EQ(member->Stop(), 0) << member->id();
  }
  return all;
}

// ---- A node ----

class NodeFaults : public testing::Test {
 protected:
  // The players' connections and sessions are the gate's, and the node has its users still.
  void EndWithAllStillThere() {
    CrowdProcess::Counts all = End(crowd_, {&gate_, &node_});
    EXPECT_EQ(all["connections_lost"], 0);
    EXPECT_EQ(all["logins_again"], 0);
    EXPECT_EQ(all["rebound"], 0);
  }

  GameServers servers_;
  GameMember node_{servers_, "node", "n1"}, gate_{servers_, "gate", "g1"};
  CrowdProcess crowd_{{&gate_}};
};

TEST_F(NodeFaults, ANodeThatIsRestartedHasItsUsersStill) {
  EXPECT_EQ(node_.Stop(), 0);
  node_.Start();
  EXPECT_TRUE(crowd_.IsWellAgain("a node was stopped and started"));
  EndWithAllStillThere();
}

TEST_F(NodeFaults, ANodeThatIsKilledAndStartedHasItsUsersStill) {
  node_.Kill();
  node_.Start();
  EXPECT_TRUE(crowd_.IsWellAgain("a node was killed and started"));
  EndWithAllStillThere();
}

TEST_F(NodeFaults, ANodeThatStandsStillForAWhileGoesOn) {
  node_.Signal(SIGSTOP);
  Wait(3);
  node_.Signal(SIGCONT);
  EXPECT_TRUE(crowd_.IsWellAgain("a node stood still for 3 s"));
  EndWithAllStillThere();
}

// ---- A gate ----

TEST(GateFaults, PlayersOfAGateThatGoesAreServedByTheOther) {
  GameServers servers;
  GameMember node(servers, "node", "n1"), stays(servers, "gate", "g1"), goes(servers, "gate", "g2");
  CrowdProcess crowd({&stays, &goes});
  EXPECT_EQ(goes.Stop(), 0);
  EXPECT_TRUE(crowd.IsWellAgain("one of two gates was stopped"));
  CrowdProcess::Counts all = End(crowd, {&stays, &node});
  EXPECT_EQ(all["connections_lost"], crowd.players() / 2);
  EXPECT_EQ(all["logins_again"], crowd.players() / 2);
  EXPECT_EQ(all["rebound"], 0);
}

TEST(GateFaults, PlayersOfAGateThatIsKilledLogInAgainAndAreBoundStill) {
  GameServers servers;
  GameMember node(servers, "node", "n1"), gate(servers, "gate", "g1");
  CrowdProcess crowd({&gate});
  gate.Kill();
  gate.Start();
  EXPECT_TRUE(crowd.IsWellAgain("the gate was killed and started"));
  CrowdProcess::Counts all = End(crowd, {&gate, &node});
  EXPECT_GE(all["connections_lost"], crowd.players());  // some find the gate on its way down
  EXPECT_EQ(all["logins_again"], crowd.players());
  EXPECT_EQ(all["rebound"], 0);
}

// What the node still has to answer goes to connections that there are no more.
TEST(GateFaults, PlayersOfAGateThatIsKilledWhileItsNodeStandsStillGetNoAnswersOfOthers) {
  GameServers servers;
  GameMember node(servers, "node", "n1"), gate(servers, "gate", "g1");
  CrowdProcess crowd({&gate});
  node.Signal(SIGSTOP);
  Wait(0.5);
  gate.Kill();
  gate.Start();
  Wait(1);
  node.Signal(SIGCONT);
  EXPECT_TRUE(crowd.IsWellAgain("the gate was killed and started while its node stood still"));
  CrowdProcess::Counts all = End(crowd, {&gate, &node});
  EXPECT_GE(all["connections_lost"], crowd.players());  // some find the gate on its way down
  EXPECT_EQ(all["rebound"], 0);
}

// ---- The servers ----

class ServerFaults : public testing::TestWithParam<bool> {
 protected:
  // A server that is restarted with what it knew, or empty.
  bool is_durable() const { return GetParam(); }

  CrowdProcess::Counts Restart(micro::services::ServiceProcess& server, const std::string& what) {
    server.Kill();
    Wait(1);
    EXPECT_THAT(server.Start(), IsOk());
    EXPECT_TRUE(crowd_.IsWellAgain(
        what + (is_durable() ? " was killed and started" : " was killed and started empty")));
    CrowdProcess::Counts all = End(crowd_, {&gate_, &node_});
    EXPECT_EQ(all["connections_lost"], 0);
    return all;
  }

  GameServers servers_{GetParam()};
  GameMember node_{servers_, "node", "n1"}, gate_{servers_, "gate", "g1"};
  CrowdProcess crowd_{{&gate_}};
};

TEST_P(ServerFaults, RedisComesBack) {
  CrowdProcess::Counts all = Restart(*servers_.redis, "Redis");
  EXPECT_EQ(all["rebound"], is_durable() ? 0 : crowd_.players());
}

TEST_P(ServerFaults, ConsulComesBack) {
  CrowdProcess::Counts all = Restart(*servers_.consul, "Consul");
  EXPECT_EQ(all["logins_again"], 0);
}

INSTANTIATE_TEST_SUITE_P(Each, ServerFaults, testing::Bool(), [](const auto& param) {
  return param.param ? "WithWhatItKnew" : "Empty";
});

}  // namespace
}  // namespace interop
