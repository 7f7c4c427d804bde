// Whole games in one process, for tests: clusters with gates and nodes, and players over TCP.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "due/gate/gate.h"
#include "due/network/server_fixture.h"
#include "due/node/node.h"

namespace due {

using micro::Task;

// What stands for one process: a cluster of its own, in the game of its test.
class Process {
 public:
  explicit Process(absl::Duration wait = absl::ZeroDuration())
      : cluster({.locator_options = {.prefix = Game()}, .shutdown_max_wait_time = wait}) {}
  ~Process() { Stop(); }

  static std::string Game() {
    return ::testing::UnitTest::GetInstance()->current_test_info()->name();
  }

  absl::Status Start() {
    runs_ = true;
    return BlockOn(cluster.Start(Context(), "memory", {.addresses = {Game()}}));
  }
  void Stop() {
    if (std::exchange(runs_, false)) EXPECT_THAT(BlockOn(cluster.Stop(Context())), IsOk());
  }

  Cluster cluster;

 private:
  bool runs_ = false;
};

struct GateProcess : Process {
  explicit GateProcess(std::string id, absl::Duration wait = absl::ZeroDuration(),
                       GateOptions options = {})
      : Process(wait), gate(cluster, With(std::move(options), std::move(id))) {
    EXPECT_THAT(Start(), IsOk());
  }
  ~GateProcess() { Stop(); }

  static GateOptions With(GateOptions options, std::string id) {
    options.id = std::move(id);
    options.network.address = options.link.address = "127.0.0.1:0";
    return options;
  }

  Gate gate;
};

struct NodeProcess : Process {
  explicit NodeProcess(std::string id, absl::Duration wait = absl::ZeroDuration(),
                       NodeOptions options = {})
      : Process(wait), node(cluster, With(std::move(options), std::move(id))) {
    node.router().Add(1, [](Context, Request& request) -> Task<absl::Status> {
      co_return request.Respond(request.body());
    });
    node.router().Add(2, [](Context ctx, Request& request) -> Task<absl::Status> {
      CO_RETURN_IF_ERROR(co_await request.BindGate(ctx, std::atoll(request.body().data())));
      CO_RETURN_IF_ERROR(co_await request.BindNode(ctx));
      co_return request.Respond("bound");
    });
    node.router().Add(3,
                      [this](Context, Request& request) -> Task<absl::Status> {
                        co_return request.Respond(node.id());
                      },
                      {.stateful = true});
    node.router().Add(4, [](Context ctx, Request& request) -> Task<absl::Status> {
      co_return co_await request.Subscribe(ctx, std::string(request.body()));
    });
    node.router().Add(5, [](Context, Request& request) -> Task<absl::Status> {
      co_return request.Respond(std::to_string(request.cid()));
    });
  }
  ~NodeProcess() { Stop(); }

  static NodeOptions With(NodeOptions options, std::string id) {
    options.id = std::move(id);
    options.link.address = "127.0.0.1:0";
    return options;
  }

  Node node;
};

class GameTest : public ::testing::Test {
 protected:
  BlockingSocket Dial(const GateProcess& at) {
    return micro::net::Dial(loops_[0], "127.0.0.1:" + std::to_string(at.gate.port())).value();
  }

  // The answer to what a player sends, which is known to be so long.
  static std::string Ask(BlockingSocket& player, int32_t route, std::string_view body,
                         size_t answer_size) {
    EXPECT_THAT(player.Write(Packet(route, body, 9)), IsOk());
    return Receive(player, route, answer_size, 9);
  }
  static std::string Receive(BlockingSocket& player, int32_t route, size_t size, int32_t seq = 0) {
    const auto packet = player.ReadAll(Packet(route, "").size() + size);
    if (!packet.ok()) return std::string(packet.status().message());
    const auto message = Packer::New()->Unpack(*packet);
    EXPECT_THAT(message, IsOk());
    EXPECT_EQ(message->route, route);
    EXPECT_EQ(message->seq, seq);
    return std::string(message->body);
  }
  static void Login(BlockingSocket& player, std::string_view uid) {
    EXPECT_EQ(Ask(player, 2, uid, 5), "bound");
  }

  // What the registry says of an instance.
  static std::string StateOf(Process& asking, const std::string& kind, const std::string& id) {
    const auto all = BlockOn(asking.cluster.instances().Instances(Context(), kind));
    for (const Instance& instance : all.value()) {
      if (instance.id == id) return instance.state;
    }
    return "gone";
  }
  static std::string GateOf(int64_t uid) {
    const auto locator = micro::PluginTable<Locator>::Create("memory", {.prefix = Process::Game()});
    return BlockOn((*locator)->LocateGate(Context(), uid)).value();
  }

  // Gates have heard of nodes, and nodes of gates.
  static void Meet(const std::vector<NodeProcess*>& nodes, size_t gates) {
    for (const NodeProcess* process : nodes) {
      EXPECT_TRUE(Eventually([&] { return process->node.proxy().gates().size() == gates; }));
    }
  }

  micro::net::Loops loops_{1};
};

}  // namespace due
