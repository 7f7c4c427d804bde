#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

#include "tests/services/probe.h"
#include "tests/services/service_process.h"

namespace micro::services {
namespace {

// Where bazel/install_consul.sh puts it. Tests have no HOME: the account's is asked for.
std::string Program() {
  constexpr std::string_view kBelow = "/micro-cpp/consul-1.8.7/usr/bin/consul";
  if (const char* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && *cache != '\0')
    return std::string(cache).append(kBelow);
  const passwd* account = getpwuid(getuid());
  return std::string(account == nullptr ? "/root" : account->pw_dir)
      .append("/.cache")
      .append(kBelow);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServiceProcess>> StartConsul(ConsulOptions options) {
  return ServiceProcess::Launch(
      {.name = "consul",
       .program = Program(),
       .arguments =
           [options](const ServiceProcess& process) {
             std::vector<std::string> arguments = {
                 "agent",
                 "-node=test",
                 "-bind=127.0.0.1",
                 "-client=127.0.0.1",
                 "-log-level=warn",
                 fmt::format("-http-port={}", process.port(0)),
                 fmt::format("-serf-lan-port={}", process.port(1)),
                 fmt::format("-server-port={}", process.port(2)),
                 "-serf-wan-port=-1",
                 "-dns-port=-1",
                 "-grpc-port=-1",
                 "-hcl=disable_update_check=true performance={raft_multiplier=1} "
                 "leave_on_terminate=false skip_leave_on_interrupt=true"};
             if (options.durable || options.leaderless) {
               arguments.push_back("-server");
               arguments.push_back(options.leaderless ? "-bootstrap-expect=3"
                                                      : "-bootstrap-expect=1");
               arguments.push_back("-data-dir=" + process.folder() + "/data");
             } else {
               arguments.push_back("-dev");
             }
             for (const std::string& piece : options.configuration)
               arguments.push_back("-hcl=" + piece);
             return arguments;
           },
       .ready =
           [leaderless = options.leaderless](const ServiceProcess& process) {
             if (leaderless) return HttpHas(process.port(), "/v1/agent/self", "Config");
             // It has a leader, and has entered itself: services can be registered.
             return HttpHas(process.port(), "/v1/status/leader", ":") &&
                    Probe(process.port(),
                          "GET /v1/catalog/services HTTP/1.1\r\nHost: "
                          "localhost\r\nConnection: close\r\n\r\n")
                            .find("HTTP/1.1 5") == std::string::npos;
           },
       .ports = 3});
}

}  // namespace micro::services
