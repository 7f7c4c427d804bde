// What the tests of the client wire share: calls of Greeter.Hello to nodes that do what a script says.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "core/async.h"
#include "core/net/loops.h"
#include "core/plugin_table.h"
#include "core/testing/status_matchers.h"
#include "micro/rpc/scripted_node.h"
#include "micro/wire.h"

namespace micro::rpc {

// Serves with this answer each time.
inline ScriptedNode::Script Answering(std::string answer) {
  return [answer](Peer& peer) {
    while (!peer.ReadRequest().empty()) peer.Write(answer);
  };
}

// Takes requests and never answers.
inline void Silent(Peer& peer) { peer.AwaitEnd(); }

inline Task<void> ExpectOk(Task<absl::StatusOr<std::string>> call) {
  EXPECT_THAT(co_await std::move(call), IsOk());
}

class RpcClient : public ::testing::Test {
 protected:
  static std::unique_ptr<ClientWire> NewWire(const ClientOptions& options = {}) {
    auto wire = PluginTable<ClientWire>::Create("rpc", options);
    EXPECT_THAT(wire, IsOk());
    return *std::move(wire);
  }

  // A call of Greeter.Hello; its answer's body.
  static Task<absl::StatusOr<std::string>> Hello(ClientWire& wire, std::string address,
                                                 Context ctx = Context(), std::string body = "{}") {
    const codec::Frame request{std::move(body)};
    codec::Frame response;
    const absl::Status status = co_await wire.Call(
        ctx, registry::Node{.id = "greeter-1", .address = address, .metadata = {}},
        {.service = "greeter",
         .method = {.endpoint = "Greeter.Hello"},
         .content_type = "application/json",
         .body = request},
        response);
    if (!status.ok()) co_return status;
    co_return response.data;
  }

  // The same from the first loop: every loop has connections of its own.
  static Task<absl::StatusOr<std::string>> HelloInOneLoop(ClientWire& wire, std::string address,
                                                          Context ctx = Context(),
                                                          std::string body = "{}") {
    co_await net::Loops::Default()[0].Enter();
    co_return co_await Hello(wire, std::move(address), std::move(ctx), std::move(body));
  }
  absl::StatusOr<std::string> Hello(const std::string& address, const Context& ctx = Context()) {
    return BlockOn(HelloInOneLoop(*wire_, address, ctx));
  }
  absl::StatusOr<std::string> Hello(const ScriptedNode& node, const Context& ctx = Context()) {
    return Hello(node.address(), ctx);
  }

  // Calls a node that gives this answer.
  absl::StatusOr<std::string> HelloWith(const std::string& answer) {
    ScriptedNode node({Answering(answer)});
    auto result = Hello(node);
    wire_ = NewWire();  // lets go of the connection, which the node waits for
    return result;
  }

  std::unique_ptr<ClientWire> wire_ = NewWire();
};

}  // namespace micro::rpc
