// Another process: opens the vault with the token that it is given. All its calls are logged and
// carry the token.
#include <cstdio>

#include "core/errors.h"
#include "examples/wrappers/wrappers.h"
#include "examples/wrappers/wrappers.micro.h"
#include "micro/service.h"

int main(int argc, char** argv) {
  std::string token;
  auto service = micro::NewService({
      .name = "wrappers-client",
      .description = "Opens the vault of the service wrappers.",
      .call_wrappers = {[&](micro::CallFunc next) { return wrappers::AddToken(token, next); }},
      .client_wrappers = {wrappers::LogCalls},
      .flags = {{"token", &token, "what the vault asks for [none]", "VAULT_TOKEN"}},
  });
  service->Init(&argc, argv);

  wrappers::VaultService vault("wrappers", service->client());
  const auto opened = micro::BlockOn(vault.Open(micro::Context(), wrappers::OpenRequest()));
  if (!opened.ok()) {
    std::fprintf(stderr, "%s\n", micro::errors::ToText(opened.status()).c_str());
    return 1;
  }
  std::printf("%s\n", opened->secret().c_str());
  return 0;
}
