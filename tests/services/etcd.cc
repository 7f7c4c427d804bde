#include <fmt/format.h>

#include "tests/services/probe.h"
#include "tests/services/service_process.h"

namespace micro::services {

absl::StatusOr<std::unique_ptr<ServiceProcess>> StartEtcd(EtcdOptions options) {
  return ServiceProcess::Launch(
      {.name = "etcd",
       .program = "/usr/bin/etcd",
       .arguments =
           [options](const ServiceProcess& process) {
             const char* scheme = options.cert_file.empty() ? "http" : "https";
             std::vector<std::string> arguments = {
                 "--name=test",
                 "--data-dir=" + process.folder() + "/data",
                 fmt::format("--listen-client-urls={}://127.0.0.1:{}", scheme, process.port(0)),
                 fmt::format("--advertise-client-urls={}://127.0.0.1:{}", scheme, process.port(0)),
                 fmt::format("--listen-peer-urls=http://127.0.0.1:{}", process.port(1)),
                 fmt::format("--initial-advertise-peer-urls=http://127.0.0.1:{}", process.port(1)),
                 fmt::format("--initial-cluster=test=http://127.0.0.1:{}", process.port(1)),
                 fmt::format("--listen-metrics-urls=http://127.0.0.1:{}", process.port(2)),
                 "--unsafe-no-fsync",
                 "--logger=zap",
                 "--log-level=warn"};
             if (!options.cert_file.empty()) {
               arguments.push_back("--cert-file=" + options.cert_file);
               arguments.push_back("--key-file=" + options.key_file);
             }
             if (!options.trusted_ca_file.empty()) {
               arguments.push_back("--client-cert-auth");
               arguments.push_back("--trusted-ca-file=" + options.trusted_ca_file);
             }
             arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
             return arguments;
           },
       .ready =
           [](const ServiceProcess& process) {
             return HttpHas(process.port(2), "/health", "\"true\"") && Accepts(process.port());
           },
       .ports = 3});
}

}  // namespace micro::services
