#include <fmt/format.h>

#include "tests/services/probe.h"
#include "tests/services/service_process.h"

namespace micro::services {

absl::StatusOr<std::unique_ptr<ServiceProcess>> StartNats(NatsOptions options) {
  return ServiceProcess::Launch(
      {.name = "nats",
       .program = "/usr/sbin/nats-server",
       .arguments =
           [options](const ServiceProcess& process) {
             std::vector<std::string> arguments = {"--addr", "127.0.0.1", "--port",
                                                   fmt::format("{}", process.port())};
             arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
             return arguments;
           },
       // Its greeting.
       .ready =
           [](const ServiceProcess& process) {
             return Probe(process.port(), "", "\r\n").starts_with("INFO ");
           }});
}

}  // namespace micro::services
