// A process with one node, for tests: registers it on lo with the TTL in seconds that is given,
// writes a line, refreshes it until its input ends, and takes leave.
//
//   mdns_node SERVICE ADDRESS TTL
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "core/plugin_table.h"
#include "core/task.h"
#include "registry/registry.h"

int main(int argc, char** argv) {
  using micro::registry::Registry;
  if (argc != 4) return 2;
  const std::string service = argv[1];
  const absl::Duration ttl = absl::Seconds(std::atoi(argv[3]));
  const auto registry = micro::PluginTable<Registry>::Create("mdns", {.addresses = {"lo"}}).value();
  const micro::registry::Service record{
      .name = service,
      .version = "1.0.0",
      .nodes = {{.id = service + "-process", .address = argv[2]}}};
  bool ready = false;
  while (true) {
    if (!BlockOn(registry->Register(micro::Context(), record, {.ttl = ttl})).ok()) return 1;
    if (!ready) std::puts("ready");
    std::fflush(stdout);
    ready = true;
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, static_cast<int>(absl::ToInt64Milliseconds(ttl) / 3)) != 0) return 0;
  }
}
