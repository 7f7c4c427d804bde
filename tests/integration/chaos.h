// What chaos tests share: steady load from another process while something goes wrong, and a count
// of what became of every call. Each test prints what was counted, and what it measured as lines
// `figure NAME VALUE UNIT`, which no test judges.
//
//   bazel test //tests/integration/... --test_tag_filters=chaos --test_env=CHAOS_SIZE=34   # at night
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "tests/integration/spawned_greeter.h"
#include "tests/integration/spawned_program.h"
#include "tests/services/service_process.h"

namespace micro {

// How much of each: 1, or what CHAOS_SIZE says.
int Size();

void Wait(double seconds);

void PrintFigure(std::string_view name, double value, std::string_view unit);

// These flags, and more.
std::vector<std::string> With(std::vector<std::string> flags, const std::vector<std::string>& more);

std::unique_ptr<services::ServiceProcess> StartRegistry(const std::string& name);

// What a caller's process counted.
struct Count {
  struct Node {  // attempts, and the times of those that went well
    long ok = 0, failed = 0;
    double p50_ms = 0, p99_ms = 0;
  };
  struct Period {
    absl::Time began = absl::InfinitePast();
    long ok = 0, failed = 0;                    // calls that began in it
    std::map<std::string, long> attempts = {};  // by node
  };
  long sent = 0, ok = 0, failed = 0;
  double p50_ms = 0, p99_ms = 0;
  std::map<std::string, Node> nodes = {};  // by id
  std::vector<Period> timeline = {};
  std::string log = {};  // its standard error
};

// A process that calls all the time.
class Load {
 public:
  // `rate` calls a second. Returns when the first has been answered.
  Load(const std::vector<std::string>& flags, int rate);

  // Ends it, once all its calls have ended, and prints what it says.
  Count Finish();

 private:
  SpawnedProgram caller_;
};

// Nodes on one of the wires, and their registry.
class ChaosNodes : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override;

  // A Greeter that goes wrong as the flags say (chaos_node.cc).
  std::unique_ptr<SpawnedGreeter> Node(const std::vector<std::string>& flags = {}) const;
  std::unique_ptr<Load> Calls(int rate, const std::vector<std::string>& flags = {}) const;

  // "grpc_NAME", as figures are called.
  std::string Named(const std::string& name) const { return GetParam() + ("_" + name); }

 private:
  std::unique_ptr<services::ServiceProcess> registry_;
  std::vector<std::string> flags_;
};

inline std::string WireName(const testing::TestParamInfo<const char*>& wire) { return wire.param; }

}  // namespace micro
