// A game's packet server: due's clients connect over TCP, WebSocket or KCP, and get their packets back.
#include <cstdio>

#include "due/network/server.h"
#include "micro/service.h"

int main(int argc, char** argv) {
  due::ServerOptions options;
  std::unique_ptr<due::Server> server;
  const due::Hooks hooks = {.on_receive = [](due::Conn& conn, std::string_view packet) {
    (void)conn.Push(packet);  // an answer has its question's route and seq
  }};
  auto service = micro::NewService({
      .name = "echo-gate",
      .description = "Echoes the packets of due's clients.",
      .before_start = {[&](micro::Context, micro::Service&) -> micro::Task<absl::Status> {
        auto listening = due::Server::Listen(options, hooks);
        if (!listening.ok()) co_return listening.status();
        server = *std::move(listening);
        std::printf("listening over %s, port %d\n", options.network.c_str(), server->port());
        std::fflush(stdout);
        co_return absl::OkStatus();
      }},
      .after_stop = {[&](micro::Context ctx, micro::Service&) -> micro::Task<absl::Status> {
        if (server != nullptr) co_await server->Stop(ctx);
        co_return absl::OkStatus();
      }},
      .flags = {{"network", &options.network, "tcp, ws or kcp [tcp]"},
                {"listen", &options.address, "host:port of the clients [:3553]"}},
  });
  service->Init(&argc, argv);
  return service->Run();
}
