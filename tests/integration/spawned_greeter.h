// A Greeter in a process of its own, which can be stopped and killed.
//
//   SpawnedGreeter greeter({"--server=rpc", "--registry=memory"});
//   greeter.Signal(SIGTERM);
//   EXPECT_EQ(greeter.Wait(), 0);
//   EXPECT_THAT(greeter.Log(), HasSubstr("stopped"));
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

extern char** environ;

namespace micro {

class SpawnedGreeter {
 public:
  // Returns when it can be found. Its address is a free port of 127.0.0.1 unless `flags` say so.
  explicit SpawnedGreeter(std::vector<std::string> flags,
                          const std::string& program = "tests/interop/service")
      : log_(tmpfile()) {
    int out[2];
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(log_), STDERR_FILENO);
    std::vector<std::string> words = {program, "--server_address=127.0.0.1:0"};
    words.insert(words.end(), flags.begin(), flags.end());
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, arguments.data(), environ),
              0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    out_ = out[0];
    const std::string line = Line();
    const size_t address = line.find("addr=") + 5;
    EXPECT_NE(address, 4u) << line << Log();
    address_ = line.substr(address, line.find(' ', address) - address);
  }
  ~SpawnedGreeter() {
    Kill();
    close(out_);
    if (log_ != nullptr) fclose(log_);
  }
  SpawnedGreeter(const SpawnedGreeter&) = delete;
  SpawnedGreeter& operator=(const SpawnedGreeter&) = delete;

  void Signal(int signal) { kill(pid_, signal); }

  // Waits for its end; its exit code, or minus the signal that ended it.
  int Wait() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

  void Kill() {
    if (pid_ < 0) return;
    Signal(SIGKILL);
    Wait();
  }

  // What it has written to standard error.
  std::string Log() const {
    struct stat file = {};
    fstat(fileno(log_), &file);
    std::string text(static_cast<size_t>(file.st_size), '\0');
    text.resize(static_cast<size_t>(pread(fileno(log_), text.data(), text.size(), 0)));
    return text;
  }

  // The next line that it prints, without its end; empty when it has ended.
  std::string Line() {
    std::string line;
    for (char c = 0; read(out_, &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }

  const std::string& address() const { return address_; }

 private:
  FILE* log_;
  pid_t pid_ = -1;
  int out_ = -1;
  std::string address_;
};

}  // namespace micro
