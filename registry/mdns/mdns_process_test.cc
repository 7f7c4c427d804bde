// The mDNS registry between processes: one is well-behaved, one is killed. The test has a network
// of its own, with lo alone.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "registry/testing/blocking.h"

namespace micro::registry {
namespace {

std::unique_ptr<Registry> OpenMdns() { return Open("mdns", {.addresses = {"lo"}}); }

// A process with a node of `service`, which refreshes it until it is stopped.
class NodeProcess {
 public:
  NodeProcess(const std::string& service, const std::string& ttl) {
    int input[2], output[2];
    if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) return;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, input[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, output[1], STDOUT_FILENO);
    std::string program = "registry/mdns/mdns_node", name = service, address = "10.0.0.2:1",
                seconds = ttl;
    char* const args[] = {program.data(), name.data(), address.data(), seconds.data(), nullptr};
    if (posix_spawn(&process_, program.c_str(), &files, nullptr, args, environ) != 0) process_ = -1;
    posix_spawn_file_actions_destroy(&files);
    close(input[0]);
    close(output[1]);
    input_ = input[1];
    char ready[6] = "";
    running_ = read(output[0], ready, sizeof(ready)) > 0;
    close(output[0]);
  }
  ~NodeProcess() { End(SIGKILL); }

  bool running() const { return running_; }

  // Ends it: by the end of its input, or by a signal.
  void End(int signal = 0) {
    if (process_ <= 0) return;
    if (signal != 0) kill(process_, signal);
    close(input_);
    waitpid(process_, nullptr, 0);
    process_ = -1;
  }

 private:
  pid_t process_ = -1;
  int input_ = -1;
  bool running_ = false;
};

TEST(MdnsProcess, SeesTheNodesOfAnotherProcessComeAndGo) {
  const auto registry = OpenMdns();
  const auto watcher = Watch(*registry, "remote");
  NodeProcess process("remote", "60");
  ASSERT_TRUE(process.running());
  const auto found = GetUntil(*registry, "remote", true);
  ASSERT_THAT(found, IsOkAndHolds(testing::SizeIs(1)));
  EXPECT_EQ((*found)[0].nodes[0].address, "10.0.0.2:1");
  EXPECT_THAT(Next(*watcher), Does(Action::kCreate));
  process.End();
  EXPECT_THAT(Next(*watcher), Does(Action::kDelete));
  EXPECT_THAT(GetUntil(*registry, "remote", false), StatusIs(absl::StatusCode::kNotFound));
}

TEST(MdnsProcess, ANodeOfAKilledProcessIsGoneWhenItsTtlHasPassed) {
  const auto registry = OpenMdns();
  const auto watcher = Watch(*registry, "remote");
  NodeProcess process("remote", "2");
  ASSERT_TRUE(process.running());
  EXPECT_THAT(Next(*watcher), Does(Action::kCreate));
  process.End(SIGKILL);
  const auto gone = Next(*watcher);
  ASSERT_THAT(gone, IsOk());
  EXPECT_EQ(gone->action, Action::kDelete);
  EXPECT_EQ(gone->service.nodes[0].id, "remote-process");
}

}  // namespace
}  // namespace micro::registry
