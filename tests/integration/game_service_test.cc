// A game and services beside each other: a node's handler calls a service for a player, and a service
// writes to a player, without being a node.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/async.h"
#include "core/net/socket_fixture.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/testing/status_matchers.h"
#include "due/gate/gate.h"
#include "due/mesh/mesh.h"
#include "due/node/node.h"
#include "micro/service.h"
#include "tests/interop/greeter.h"

namespace micro {
namespace {

constexpr int32_t kLogin = 2, kMeta = 9, kPatience = 10, kMail = 50;

// A Greeter whose Hello is also put into a player's hands.
class Mailbox final : public interop::Greeter {
 public:
  explicit Mailbox(due::Mesh& mesh) : mesh_(mesh) {}
  Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest& request,
                           helloworld::HelloResponse& response) override {
    const std::string text = "Hello " + request.name();
    response.set_greeting(text);
    co_return co_await mesh_.proxy().Push(
        ctx, {.target = 1001, .message = {.route = kMail, .body = text}, .ack = true});
  }

 private:
  due::Mesh& mesh_;
};

class GameServiceTest : public ::testing::Test {
 protected:
  static ServiceOptions Options(std::string name) {
    ServiceOptions options{.name = std::move(name), .registry = "memory", .handle_signals = false};
    options.registry_options.addresses = {"game_service_test"};
    options.server.address = "127.0.0.1:0";
    return options;
  }

  void SetUp() override {
    due::Router& router = game_node_.router();
    router.Add(kLogin, [](Context ctx, due::Request& request) -> Task<absl::Status> {
      CO_RETURN_IF_ERROR(co_await request.BindGate(ctx, 1001));
      co_return request.Respond("ok");
    });
    // Calls go with the handler's context: who the player is, and how long it may take.
    router.Add(kMeta, [this](Context ctx, due::Request& request) -> Task<absl::Status> {
      helloworld::GreeterService greeter("mailbox", game_->client());
      CO_ASSIGN_OR_RETURN(const auto meta, co_await greeter.Meta(ctx, helloworld::MetaRequest()));
      std::string said;
      for (const auto& [key, value] : meta.metadata()) {
        if (absl::EqualsIgnoreCase(key, ToAbsl(due::kPlayerUid))) said = value;
      }
      co_return request.Respond(said);
    });
    router.Add(kPatience, [this](Context ctx, due::Request& request) -> Task<absl::Status> {
      helloworld::GreeterService greeter("mailbox", game_->client());
      helloworld::SleepRequest sleep;
      sleep.set_ms(60'000);
      const auto slept = co_await greeter.Sleep(ctx, sleep);
      co_return request.Respond(slept.ok() ? "slept" : "timeout");
    });
    game_ = NewService(game_cluster_.AddTo(Options("game")));
    mailbox_ = NewService(mail_cluster_.AddTo(Options("mailbox")));
    helloworld::RegisterGreeterHandler(*mailbox_->server(), std::make_shared<Mailbox>(mesh_));
    ASSERT_THAT(BlockOn(mailbox_->Start(Context())), IsOk());
    ASSERT_THAT(BlockOn(game_->Start(Context())), IsOk());
    player_.emplace(*net::Dial(loops_[0], "127.0.0.1:" + std::to_string(game_gate_.port())));
    EXPECT_EQ(Ask(kLogin), "ok");
  }

  void TearDown() override {
    player_.reset();
    EXPECT_THAT(BlockOn(game_->Stop(Context())), IsOk());
    EXPECT_THAT(BlockOn(mailbox_->Stop(Context())), IsOk());
  }

  std::string Ask(int32_t route) {
    std::string packet;
    EXPECT_THAT(packer_.Pack({.route = route, .seq = 1}, packet), IsOk());
    EXPECT_THAT(player_->Write(packet), IsOk());
    return Receive(route);
  }

  std::string Receive(int32_t route) {
    std::string packet = player_->ReadAll(due::kSizeBytes).value();
    packet += player_->ReadAll(packer_.ReadInteger(packet.data(), due::kSizeBytes)).value();
    const auto message = packer_.Unpack(packet);
    EXPECT_THAT(message, IsOk());
    EXPECT_EQ(message->route, route);
    return std::string(message->body);
  }

  const due::Packer packer_ = *due::Packer::New();
  due::Cluster game_cluster_;
  due::Node game_node_{game_cluster_,
                       {.link = {.address = "127.0.0.1:0"},
                        .request_timeout = absl::Milliseconds(300),
                        .flag_prefix = "node_"}};
  due::Gate game_gate_{game_cluster_,
                       {.network = {.address = "127.0.0.1:0"}, .link = {.address = "127.0.0.1:0"}}};
  due::Cluster mail_cluster_;
  due::Mesh mesh_{mail_cluster_};
  std::unique_ptr<Service> game_, mailbox_;
  net::Loops loops_{1};
  std::optional<net::BlockingSocket> player_;
};

TEST_F(GameServiceTest, AServiceThatAHandlerCallsKnowsThePlayer) { EXPECT_EQ(Ask(kMeta), "1001"); }

TEST_F(GameServiceTest, ACallEndsWithThePlayersRequest) { EXPECT_EQ(Ask(kPatience), "timeout"); }

TEST_F(GameServiceTest, AServiceWritesToAPlayer) {
  helloworld::GreeterService mailbox("mailbox", game_->client());
  helloworld::HelloRequest request;
  request.set_name("player");
  ASSERT_THAT(BlockOn(mailbox.Hello(Context(), request)), IsOk());
  EXPECT_EQ(Receive(kMail), "Hello player");
}

}  // namespace
}  // namespace micro
