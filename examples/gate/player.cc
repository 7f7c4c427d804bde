#include "examples/gate/player.h"

#include <cstdio>

#include "core/async.h"
#include "core/status_macros.h"
#include "due/packet/packer.h"

micro::Task<absl::Status> SayHello(micro::Context ctx, due::ClientOptions options, int32_t route,
                                   std::string name) {
  CO_ASSIGN_OR_RETURN(const due::Packer packer, due::Packer::New(options.packet));
  const auto answer = std::make_shared<micro::OneShot<std::string>>();
  const due::Hooks hooks = {.on_receive = [answer](due::Conn&, std::string_view packet) {
    answer->TrySet(std::string(packet));
  }};
  CO_ASSIGN_OR_RETURN(const auto client, due::Client::New(options, hooks));
  ctx = WithTimeout(ctx, absl::Seconds(5));
  CO_ASSIGN_OR_RETURN(const auto conn, co_await client->Dial(ctx));

  std::string packet;
  CO_RETURN_IF_ERROR(packer.Pack({.route = route, .seq = 1, .body = name}, packet));
  CO_RETURN_IF_ERROR(conn->Push(packet));
  CO_ASSIGN_OR_RETURN(const std::string answered, co_await Await(ctx, answer));
  CO_ASSIGN_OR_RETURN(const due::Message message, packer.Unpack(answered));
  std::printf("%s: %s\n", options.network.c_str(), std::string(message.body).c_str());
  std::fflush(stdout);
  conn->Close(/*force=*/false);
  co_await client->Stop(ctx);
  co_return absl::OkStatus();
}
