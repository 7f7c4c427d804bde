// The part of gate_bench that goes through gate and node, and back.
#pragma once

#include <string>

namespace bench {

struct ClusterSettings {
  std::string go_folder = {};  // with due's gate and node; "": without
  int rounds = 5;
  double seconds = 1;
};

// The roles of its children: a gate for players over TCP, and a node that echoes. Both print `ready
// addr=…`, and run until they are killed.
int ServeOurGate(const std::string& consul, const std::string& redis);
int ServeOurNode(const std::string& consul, const std::string& redis);

// Ours, due's own, and a bare pair, interleaved: the gate on one core, the node and the load on the
// other. Consul and Redis are started for it.
int RunClusters(const ClusterSettings& settings);

}  // namespace bench
