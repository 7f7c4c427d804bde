// A Greeter that goes wrong when it is told to: from SIGUSR1 to SIGUSR2, or always with --faulty.
//
//   chaos_node --slow_ms=200                    # answers late
//   chaos_node --fail_percent=30 --fail_code=500
//
// Prints the interop service's `ready …` line, and at its end `calls=N`, the calls that it has seen.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "core/async.h"
#include "core/errors.h"
#include "core/random.h"
#include "core/status_macros.h"
#include "micro/service.h"
#include "tests/interop/greeter.h"

namespace {

using micro::Context;
using micro::Task;

std::atomic<bool> faulty = false;
std::atomic<int64_t> calls = 0;

struct Faults {
  std::string slow_ms = "0", fail_percent = "0", fail_code = "503";
  bool always = false;
};

class FaultyGreeter final : public interop::Greeter {
 public:
  explicit FaultyGreeter(const Faults& faults)
      : slow_(absl::Milliseconds(std::atoi(faults.slow_ms.c_str()))),
        fail_(std::atof(faults.fail_percent.c_str()) / 100),
        code_(std::atoi(faults.fail_code.c_str())) {}

  Task<absl::Status> Hello(const Context& ctx, const helloworld::HelloRequest& request,
                           helloworld::HelloResponse& response) override {
    ++calls;
    if (faulty) {
      if (slow_ > absl::ZeroDuration()) CO_RETURN_IF_ERROR(co_await micro::Sleep(ctx, slow_));
      if (micro::RandomUnit() < fail_) {
        co_return micro::errors::ToStatus(
            {.id = "chaos", .code = code_, .detail = "told to fail", .status = ""});
      }
    }
    co_return co_await interop::Greeter::Hello(ctx, request, response);
  }

 private:
  const absl::Duration slow_;
  const double fail_;
  const int code_;
};

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGUSR1, [](int) { faulty = true; });
  std::signal(SIGUSR2, [](int) { faulty = false; });
  Faults faults;
  auto service = micro::NewService(
      {.name = "helloworld",
       .version = "1.0.0",
       .description = "A Greeter that goes wrong when it is told to.",
       .after_start = {[](Context, micro::Service& service) -> Task<absl::Status> {
         const auto node = service.server()->record().nodes[0];
         std::printf("ready node=%s addr=%s pid=%d\n", node.id.c_str(), node.address.c_str(),
                     getpid());
         std::fflush(stdout);
         co_return absl::OkStatus();
       }},
       .flags = {{"slow_ms", &faults.slow_ms, "how late it answers [0]"},
                 {"fail_percent", &faults.fail_percent, "of the calls fail [0]"},
                 {"fail_code", &faults.fail_code, "with this code [503]"},
                 {"faulty", &faults.always, "from the beginning"}}});
  service->Init(&argc, argv);
  faulty = faults.always;
  helloworld::RegisterGreeterHandler(*service->server(), std::make_shared<FaultyGreeter>(faults));
  const int exit_code = service->Run();
  std::printf("calls=%lld\n", static_cast<long long>(calls.load()));
  return exit_code;
}
