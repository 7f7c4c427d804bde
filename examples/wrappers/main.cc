// A service behind middleware: every call is logged, and only callers with the token reach the
// handler. It opens its own vault, once with the token and once without, and serves until Ctrl-C.
#include <cstdio>

#include "core/errors.h"
#include "core/status_macros.h"
#include "examples/wrappers/wrappers.h"
#include "examples/wrappers/wrappers.micro.h"
#include "micro/service.h"

namespace {

class Vault final : public wrappers::VaultHandler {
  micro::Task<absl::Status> Open(const micro::Context&, const wrappers::OpenRequest&,
                                 wrappers::OpenResponse& response) override {
    response.set_secret("42");
    co_return absl::OkStatus();
  }
};

micro::Task<absl::Status> OpenOwnVault(micro::Context ctx, micro::Service& service,
                                       std::string token) {
  wrappers::VaultService vault(service.options().name, service.client());

  // A call without the token is refused: by a wrapper, before the handler.
  const auto refused = co_await vault.Open(ctx, wrappers::OpenRequest());
  std::printf("without the token: %s\n", micro::errors::ToText(refused.status()).c_str());

  // This call has a wrapper of its own. client.cc gives one to all calls of its client.
  micro::CallOptions with_token;
  with_token.wrappers = {[&](micro::CallFunc next) { return wrappers::AddToken(token, next); }};
  CO_ASSIGN_OR_RETURN(const auto opened,
                      co_await vault.Open(ctx, wrappers::OpenRequest(), with_token));
  std::printf("with the token: %s\n", opened.secret().c_str());
  std::fflush(stdout);
  co_return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  std::string token = "sesame";
  bool once = false;
  auto service = micro::NewService({
      .name = "wrappers",
      .description = "A service behind middleware: log and token.",
      // The first is outermost, so that refused calls are logged too. Wrappers are made after Init
      // has read the flags.
      .handler_wrappers = {wrappers::LogHandled,
                           [&](micro::HandlerFunc next) {
                             return wrappers::RequireToken(token, next);
                           }},
      .after_start = {[&](micro::Context ctx,
                          micro::Service& service) -> micro::Task<absl::Status> {
        absl::Status opened = co_await OpenOwnVault(ctx, service, token);
        if (once) service.Shutdown();
        co_return opened;
      }},
      .flags = {{"token", &token, "what callers must know [sesame]", "VAULT_TOKEN"},
                {"once", &once, "exit after opening the own vault"}},
  });
  service->Init(&argc, argv);
  wrappers::RegisterVaultHandler(*service->server(), std::make_shared<Vault>());
  return service->Run();
}
