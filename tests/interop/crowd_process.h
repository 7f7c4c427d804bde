// A game's gates and nodes, and a crowd of players, each in a process of its own that can be stopped
// and killed.
//
//   GameServers servers;                                     // a real Consul and Redis
//   GameMember node(servers, "node", "n1"), gate(servers, "gate", "g1");
//   CrowdProcess crowd({&gate});
//   node.Kill();
//   node.Start();                                            // with the same id and ports
//   ASSERT_TRUE(crowd.IsWellAgain("node killed"));
//   EXPECT_EQ(crowd.Finish()["wrong"], 0);
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "tests/integration/spawned_program.h"
#include "tests/services/service_process.h"

namespace interop {

// Where members find each other, and their users.
struct GameServers {
  // `is_durable`: what they know survives Kill and Start.
  explicit GameServers(bool is_durable = false);

  std::vector<std::string> Flags() const;

  std::unique_ptr<micro::services::ServiceProcess> consul, redis;
};

// A gate or node, tests/interop:gate or :node.
class GameMember {
 public:
  // Starts it. `servers` outlive it.
  GameMember(const GameServers& servers, const std::string& kind, const std::string& id,
             const std::vector<std::string>& flags = {});

  const std::string& id() const { return id_; }
  const std::string& address() const { return address_; }  // of players; of a node empty
  const std::string& link() const { return link_; }

  // Starts it again, and returns when it says that it can be used.
  void Start();

  // SIGTERM; its exit code.
  int Stop();

  void Kill();
  void Signal(int signal) { program_->Signal(signal); }

  bool IsRunning() const;
  int64_t ResidentKiB() const;

  // What it has logged since its start.
  std::string Log() const { return program_->Log(); }

 private:
  std::string Proc(std::string_view file) const;

  std::vector<std::string> words_;
  std::string id_, address_, link_;
  int pid_ = 0;
  std::optional<micro::SpawnedProgram> program_;
};

// tests/interop:crowd with --every_second, spread over gates, until it is finished.
class CrowdProcess {
 public:
  using Counts = std::map<std::string, int64_t>;  // by name: "sent" …

  // Returns when all are in.
  explicit CrowdProcess(const std::vector<const GameMember*>& gates,
                        const std::vector<std::string>& flags = {});

  int players() const { return players_; }

  // Waits for a whole second, from now on, in which each player was answered and nothing was lost,
  // and prints how long that took; false when it does not come for a minute.
  bool IsWellAgain(std::string_view after);

  // What became of the second that begins next.
  Counts NextSecond();

  // Ends it; what became of all. An exit code besides 0 is a failure.
  Counts Finish();

 private:
  int SecondNow() const;
  Counts ReadSecond(int second);

  int players_ = 0;
  absl::Time began_;
  micro::SpawnedProgram program_;
};

}  // namespace interop
