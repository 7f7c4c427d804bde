// Starts one real server, prints `ready NAME HOST:PORT pid=PID`, and ends it on SIGTERM or SIGINT.
// For scripts and for trying things by hand; tests in C++ use service_process.h.
//
//   bazel run //tests/services:serve -- consul
#include <signal.h>

#include <cstdio>
#include <map>
#include <string>

#include "tests/services/service_process.h"

int main(int argc, char** argv) {
  using Start = absl::StatusOr<std::unique_ptr<micro::services::ServiceProcess>> (*)();
  const std::map<std::string, Start> servers = {
      {"consul", [] { return micro::services::StartConsul(); }},
      {"etcd", [] { return micro::services::StartEtcd(); }},
      {"nats", [] { return micro::services::StartNats(); }},
      {"redis", [] { return micro::services::StartRedis(); }}};
  const auto chosen = argc == 2 ? servers.find(argv[1]) : servers.end();
  if (chosen == servers.end()) {
    std::fprintf(stderr, "usage: serve consul|etcd|nats|redis\n");
    return 1;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  const auto server = chosen->second();
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", std::string(server.status().message()).c_str());
    return 1;
  }
  std::printf("ready %s %s pid=%d\n", argv[1], (*server)->address().c_str(), (*server)->pid());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->Stop();
  return 0;
}
