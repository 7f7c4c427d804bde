// What happens when a node has as many connections as it may.
#include "micro/rpc/client_pool.h"

#include <gmock/gmock.h>

#include <optional>

#include "core/errors.h"
#include "core/task_scope.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "micro/rpc/client_call.h"
#include "micro/rpc/scripted_node.h"

namespace micro::rpc {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class ClientPool : public ::testing::Test {
 protected:
  ClientPool() {
    auto settings =
        std::make_shared<ClientSettings>(ClientSettings{.dial_timeout = absl::Seconds(5),
                                                        .pool_ttl = absl::Hours(1),
                                                        .most_idle = 100,
                                                        .most_open = 2,
                                                        .max_send = 1 << 20,
                                                        .limits = {},
                                                        .tls = nullptr});
    client_.emplace(loop_, std::move(settings));
  }
  ~ClientPool() override {
    InLoop([this] { client_.reset(); });
  }

  void InLoop(std::function<void()> work) {
    const auto run = [&]() -> Task<void> {
      co_await loop_.Enter();
      work();
    };
    BlockOn(run());
  }

  // Calls the node with `body`; notes the answer's in `answers`, or the error's code.
  Task<void> Call(Context ctx, std::string address, std::string body) {
    co_await loop_.Enter();
    UnaryCall call(*client_, ctx, address);
    ++calling_;
    auto connection = co_await call.Connect(/*fresh=*/false);
    if (!connection.ok()) {
      answers_.push_back(std::to_string(errors::FromStatus(connection.status()).code));
      co_return;
    }
    const std::string request =
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    const Answer answer = co_await call.Send(*connection, request);
    if (answer.message == nullptr) {
      answers_.push_back(std::to_string(errors::FromStatus(answer.error).code));
      co_return;
    }
    answers_.emplace_back(answer.message->body);
    (*connection)->Finish();
  }

  net::Loop loop_;
  std::optional<LoopClient> client_;
  std::atomic<int> calling_ = 0;
  std::vector<std::string> answers_;  // in the loop
};

// Answers a request with its body, once it may.
class Gate {
 public:
  void Open() {
    MutexLock lock(mutex_);
    open_ = true;
    changed_.NotifyAll();
  }
  void Pass() {
    MutexLock lock(mutex_);
    ++waiting_;
    while (!open_) changed_.Wait(mutex_);
  }
  int waiting() {
    MutexLock lock(mutex_);
    return waiting_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
};

ScriptedNode::Script EchoingBehind(Gate& gate) {
  return [&gate](Peer& peer) {
    while (true) {
      const std::string request = peer.ReadRequest();
      if (request.empty()) return;
      gate.Pass();
      peer.Write(AnswerOf(request.substr(request.find("\r\n\r\n") + 4)));
    }
  };
}

TEST_F(ClientPool, CallersWaitForTheirTurnOnAsManyConnectionsAsThereMayBe) {
  Gate gate;
  ScriptedNode node({EchoingBehind(gate)});
  TaskScope scope;
  for (int i = 0; i < 6; ++i) {
    Spawn(scope, Call(Context(), node.address(), std::to_string(i)));
    EXPECT_TRUE(Eventually([&] { return calling_ == i + 1; }));
  }
  EXPECT_TRUE(Eventually([&] { return gate.waiting() == 2; }));
  gate.Open();
  scope.Join();
  EXPECT_EQ(node.connections(), 2);
  InLoop([&] {
    ASSERT_EQ(answers_.size(), 6u);
    // Two at a time, whoever came first goes first.
    for (size_t i = 0; i < 6; i += 2) {
      EXPECT_LE(answers_[i], std::to_string(i + 2));
      EXPECT_LE(answers_[i + 1], std::to_string(i + 2));
    }
  });
}

TEST_F(ClientPool, AWaitingCallerLeavesWithItsContext) {
  Gate gate;
  ScriptedNode node({EchoingBehind(gate)});
  TaskScope scope;
  for (int i = 0; i < 2; ++i) Spawn(scope, Call(Context(), node.address(), "x"));
  EXPECT_TRUE(Eventually([&] { return gate.waiting() == 2; }));
  BlockOn(Call(WithTimeout(Context(), absl::Milliseconds(10)), node.address(), "late"));
  auto [ctx, cancel] = WithCancel(Context());
  Spawn(scope, Call(ctx, node.address(), "cancelled"));
  EXPECT_TRUE(Eventually([&] { return calling_ == 4; }));
  cancel();
  Spawn(scope, Call(Context(), node.address(), "last"));
  EXPECT_TRUE(Eventually([&] { return calling_ == 5; }));
  gate.Open();
  scope.Join();
  InLoop([&] { EXPECT_THAT(answers_, UnorderedElementsAre("408", "408", "x", "x", "last")); });
  EXPECT_EQ(node.connections(), 2);
}

TEST_F(ClientPool, AConnectionThatEndsMakesRoomForAnother) {
  ScriptedNode node({[](Peer& peer) { peer.ReadRequest(); }});  // closes
  TaskScope scope;
  for (int i = 0; i < 6; ++i) Spawn(scope, Call(Context(), node.address(), "x"));
  scope.Join();
  InLoop([&] { EXPECT_THAT(answers_, ElementsAre("500", "500", "500", "500", "500", "500")); });
  EXPECT_EQ(node.connections(), 6);
}

TEST_F(ClientPool, EveryWaiterHearsOfANodeThatIsDown) {
  ScriptedNode node({[](Peer& peer) { peer.ReadRequest(); }});
  node.StopListening();
  TaskScope scope;
  for (int i = 0; i < 6; ++i) Spawn(scope, Call(Context(), node.address(), "x"));
  scope.Join();
  InLoop([&] { EXPECT_EQ(answers_.size(), 6u); });
}

}  // namespace
}  // namespace micro::rpc
