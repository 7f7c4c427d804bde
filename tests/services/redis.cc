#include <fmt/format.h>

#include "tests/services/probe.h"
#include "tests/services/service_process.h"

namespace micro::services {

absl::StatusOr<std::unique_ptr<ServiceProcess>> StartRedis(RedisOptions options) {
  const bool tls = !options.cert_file.empty();
  return ServiceProcess::Launch(
      {.name = "redis",
       .program = "/usr/bin/redis-server",
       .arguments =
           [options, tls](const ServiceProcess& process) {
             const std::string port = fmt::format("{}", process.port());
             std::vector<std::string> arguments = {"--bind",         "127.0.0.1", "--port",
                                                   tls ? "0" : port, "--dir",     process.folder(),
                                                   "--save",         ""};
             if (options.durable) {
               for (const char* argument : {"--appendonly", "yes", "--appendfsync", "always"})
                 arguments.push_back(argument);
             }
             if (tls) {
               for (const std::string& argument :
                    {std::string("--tls-port"), port, std::string("--tls-cert-file"),
                     options.cert_file, std::string("--tls-key-file"), options.key_file,
                     std::string("--tls-ca-cert-file"), options.trusted_ca_file}) {
                 arguments.push_back(argument);
               }
             }
             arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
             return arguments;
           },
       // An answer, be it that it asks for a password, but not that it still loads.
       .ready =
           [tls](const ServiceProcess& process) {
             if (tls) return Accepts(process.port());
             const std::string answer = Probe(process.port(), "PING\r\n", "\r\n");
             return answer.starts_with("+PONG") || answer.starts_with("-NOAUTH");
           }});
}

}  // namespace micro::services
