// A canary: two nodes of version 1.0.0 and one of 2.0.0, and a caller that tells each second which
// version answered what part of its calls. Edit traffic.yaml while it runs, and the parts move.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "core/async.h"
#include "core/errors.h"
#include "core/status_macros.h"
#include "examples/traffic/traffic.micro.h"
#include "micro/service.h"

namespace {

// Tells its version.
class Teller final : public traffic::TellerHandler {
 public:
  explicit Teller(std::string version) : version_(std::move(version)) {}

  micro::Task<absl::Status> Version(const micro::Context&, const traffic::VersionRequest&,
                                    traffic::VersionResponse& response) override {
    response.set_version(version_);
    co_return absl::OkStatus();
  }

 private:
  const std::string version_;
};

std::unique_ptr<micro::Service> StartTeller(const micro::ServiceOptions& caller,
                                            const std::string& version) {
  auto service = micro::NewService({.name = "teller",
                                    .version = version,
                                    .server = {.address = "127.0.0.1:0"},
                                    .registry = caller.registry,
                                    .registry_options = caller.registry_options,
                                    .handle_signals = false});
  traffic::RegisterTellerHandler(*service->server(), std::make_shared<Teller>(version));
  if (const absl::Status status = micro::BlockOn(service->Start(micro::Context())); !status.ok()) {
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    std::exit(1);
  }
  return service;
}

// The part of `calls` calls that the canary answered, in percent.
micro::Task<absl::StatusOr<double>> CanaryPart(micro::Context ctx, traffic::TellerService teller,
                                               int calls) {
  int canary = 0;
  for (int i = 0; i < calls; ++i) {
    CO_ASSIGN_OR_RETURN(const traffic::VersionResponse response,
                        co_await teller.Version(ctx, traffic::VersionRequest()));
    canary += response.version() == "2.0.0" ? 1 : 0;
  }
  co_return 100.0 * canary / calls;
}

micro::Task<absl::Status> Watch(micro::Context ctx, micro::Service& service, int seconds) {
  const traffic::TellerService teller("teller", service.client());
  const micro::Context tester = micro::WithMetadata(ctx, {{"X-Canary", "true"}});
  for (int second = 0; seconds == 0 || second < seconds; ++second) {
    CO_ASSIGN_OR_RETURN(const double users, co_await CanaryPart(ctx, teller, 500));
    CO_ASSIGN_OR_RETURN(const double testers, co_await CanaryPart(tester, teller, 50));
    std::printf("2.0.0 answers %3.0f %% of the users' calls, %3.0f %% of the testers'\n", users,
                testers);
    std::fflush(stdout);
    CO_RETURN_IF_ERROR(co_await micro::Sleep(ctx, absl::Seconds(1)));
  }
  co_return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  std::string seconds = "0";
  auto caller = micro::NewService({
      .name = "caller",
      .description = "Calls two versions of a service, by rules in a file.",
      .registry = "memory",
      .traffic_rules = "examples/traffic/traffic.yaml",
      .flags = {{"seconds", &seconds, "how long, 0: until Ctrl-C [0]"}},
  });
  caller->Init(&argc, argv);
  std::vector<std::unique_ptr<micro::Service>> tellers;
  for (const char* version : {"1.0.0", "1.0.0", "2.0.0"})
    tellers.push_back(StartTeller(caller->options(), version));
  const absl::Status watched =
      micro::BlockOn(Watch(micro::Context(), *caller, std::atoi(seconds.c_str())));
  for (const auto& teller : tellers) (void)micro::BlockOn(teller->Stop(micro::Context()));
  if (watched.ok()) return 0;
  std::fprintf(stderr, "%s\n", micro::errors::ToText(watched).c_str());
  return 1;
}
