// How gate_bench runs servers and loads, and prints what it has measured.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/child.h"

namespace bench {

// The cores that servers and loads are pinned to: two of those that this process may use.
struct Cores {
  std::string server = "0", load = "0";
};
const Cores& PinnedTo();

// This program.
std::string Self();

Child Pinned(const std::string& core, const std::string& program,
             const std::vector<std::string>& arguments);

// A server that runs.
struct Peer {
  Child child;
  int port = 0;
};

// Starts one, and waits until it prints where it is: `ready … addr=HOST:PORT …`.
Peer Start(const std::string& core, const std::string& program,
           const std::vector<std::string>& arguments);

struct Sample {
  double rate, p50_us, p99_us, cpu_us;
};

struct Shape {
  std::string name;
  int connections, window, body;
};

std::vector<std::string> LoadArguments(const std::string& role, const std::string& network,
                                       int port, int connections);

// Puts load on a port; the CPU is that of all `servers`.
Sample Measure(const std::vector<const Child*>& servers, int port, const std::string& network,
               const Shape& shape, double seconds);

using Samples = std::map<std::string, std::vector<Sample>>;  // by server

// One line for each server, and for each pair how much CPU the first takes beside the second, and,
// where the pair says so, how many messages a second. Figures begin with `prefix`.
struct Pair {
  std::string over, under;
  bool rates = false;
};
void Print(const std::string& prefix, const Shape& shape, const Samples& samples,
           const std::vector<Pair>& pairs);

}  // namespace bench
