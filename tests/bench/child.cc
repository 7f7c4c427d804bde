#include "tests/bench/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <utility>

namespace bench {

Child::Child(const std::string& program, const std::vector<std::string>& arguments)
    : program_(program.empty() ? "/proc/self/exe" : program) {
  int ends[2], in_ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0 || pipe2(in_ends, O_CLOEXEC) != 0) std::abort();
  std::vector<char*> argv = {program_.data()};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDOUT_FILENO);
    dup2(in_ends[0], STDIN_FILENO);
    execv(program_.c_str(), argv.data());
    std::perror(program_.c_str());
    _exit(127);
  }
  close(ends[1]);
  close(in_ends[0]);
  in_ = in_ends[1];
  out_ = fdopen(ends[0], "r");
}

Child::Child(Child&& other) noexcept
    : program_(std::move(other.program_)),
      pid_(std::exchange(other.pid_, -1)),
      out_(std::exchange(other.out_, nullptr)),
      in_(std::exchange(other.in_, -1)) {}

Child::~Child() {
  if (out_ != nullptr) std::fclose(out_);
  if (in_ >= 0) close(in_);
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Child::Say(const std::string& text) {
  if (write(in_, text.data(), text.size()) != static_cast<ssize_t>(text.size())) std::abort();
}

std::string Child::Line() {
  std::string line;
  for (int c = std::fgetc(out_); c != '\n'; c = std::fgetc(out_)) {
    if (c == EOF) {
      std::fprintf(stderr, "%s ended before it said what was awaited; its last line: %s\n",
                   program_.c_str(), line.c_str());
      std::exit(1);
    }
    line.push_back(static_cast<char>(c));
  }
  return line;
}

std::string Child::LineAfter(const std::string& word) {
  while (true) {
    const std::string line = Line();
    if (line.starts_with(word + " ")) return line.substr(word.size() + 1);
  }
}

double Child::CpuSeconds() const {
  clockid_t clock;
  timespec time = {};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &time) != 0) std::abort();
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double Child::ResidentKiB() const {
  std::ifstream status("/proc/" + std::to_string(pid_) + "/status");
  std::string line;
  double value = 0;
  while (std::getline(status, line)) {
    if (std::sscanf(line.c_str(), "VmRSS: %lf", &value) == 1) return value;
  }
  return 0;
}

std::string GoMicroProgram(const std::string& name) {
  const char* sources = std::getenv("BUILD_WORKSPACE_DIRECTORY");
  if (sources == nullptr) return "";
  const std::string build = std::string(sources) + "/tests/interop/gomicro/build.sh";
  FILE* out = popen(build.c_str(), "r");
  char line[4096] = "";
  const bool printed = out != nullptr && fgets(line, sizeof(line), out) != nullptr;
  if (!printed || pclose(out) != 0) {
    std::fprintf(stderr, "%s failed; --go= leaves go-micro out\n", build.c_str());
    std::exit(1);
  }
  std::string folder = line;
  setenv("MICRO_TLS_SECURE", "true", 0);  // else go-micro v5 warns at every start; no TLS is used
  folder.erase(folder.find_last_not_of('\n') + 1);
  return folder + "/v5/bin/" + name;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace bench
