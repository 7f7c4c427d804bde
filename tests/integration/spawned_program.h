// A program in a process of its own, which can be stopped and killed.
//
//   SpawnedProgram caller({"tests/interop/client", "--call=hello"});
//   EXPECT_EQ(caller.Wait(), 0);
//   EXPECT_EQ(caller.Line(), "Hello John");
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

class SpawnedProgram {
 public:
  // The program's path and its arguments.
  explicit SpawnedProgram(std::vector<std::string> words) : log_(tmpfile()) {
    int out[2];
    EXPECT_EQ(pipe2(out, O_CLOEXEC), 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, fileno(log_), STDERR_FILENO);
    std::vector<char*> arguments;
    for (std::string& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    EXPECT_EQ(posix_spawn(&pid_, words[0].c_str(), &actions, nullptr, arguments.data(), environ),
              0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    out_ = fdopen(out[0], "r");
  }
  ~SpawnedProgram() {
    Kill();
    fclose(out_);
    if (log_ != nullptr) fclose(log_);
  }
  SpawnedProgram(const SpawnedProgram&) = delete;
  SpawnedProgram& operator=(const SpawnedProgram&) = delete;

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
    for (int c = 0; (c = fgetc(out_)) != EOF && c != '\n';) line += static_cast<char>(c);
    return line;
  }

 private:
  FILE* log_;
  pid_t pid_ = -1;
  FILE* out_ = nullptr;
};

}  // namespace micro
