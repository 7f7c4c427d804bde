#include "tests/services/service_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

#include "core/status_macros.h"

namespace micro::services {
namespace {

using std::chrono_literals::operator""ms;

constexpr auto kPoll = 20ms;
constexpr int kPollsToReady = 3000;  // a minute
constexpr int kPollsToEnd = 500;     // ten seconds

}  // namespace

std::vector<int> FreePorts(int count) {
  std::vector<int> sockets, ports;
  for (int i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0) {
      ports.push_back(ntohs(address.sin_port));
    }
    sockets.push_back(fd);  // all open until the last is chosen, so that they differ
  }
  for (const int fd : sockets) close(fd);
  return ports;
}

ServiceProcess::ServiceProcess(Spec spec) : spec_(std::move(spec)) {
  std::string pattern =
      (std::filesystem::temp_directory_path() / (spec_.name + "-XXXXXX")).string();
  folder_ = mkdtemp(pattern.data()) != nullptr ? pattern : "";
}

ServiceProcess::~ServiceProcess() {
  Kill();
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

absl::StatusOr<std::unique_ptr<ServiceProcess>> ServiceProcess::Launch(Spec spec) {
  std::unique_ptr<ServiceProcess> process(new ServiceProcess(std::move(spec)));
  if (process->folder_.empty())
    return absl::InternalError("no folder can be made for " + process->spec_.name);
  absl::Status status;
  for (int attempt = 0; attempt < 3; ++attempt) {
    process->ports_ = FreePorts(process->spec_.ports);
    status = process->Start();
    if (status.ok()) return process;
    process->Kill();
    process->Forget();
  }
  return status;
}

std::string ServiceProcess::address() const { return fmt::format("127.0.0.1:{}", port()); }

absl::Status ServiceProcess::Start() {
  RETURN_IF_ERROR(Spawn());
  for (int poll = 0; poll < kPollsToReady; ++poll) {
    if (spec_.ready(*this)) return absl::OkStatus();
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return absl::UnavailableError(fmt::format("{} ended at once:\n{}", spec_.name, Log()));
    }
    std::this_thread::sleep_for(kPoll);
  }
  return absl::DeadlineExceededError(
      fmt::format("{} is not ready after a minute:\n{}", spec_.name, Log()));
}

absl::Status ServiceProcess::Spawn() {
  if (access(spec_.program.c_str(), X_OK) != 0) {
    return absl::NotFoundError(fmt::format(
        "{} is not installed at {}: run ./bazelw, which installs it", spec_.name, spec_.program));
  }
  // Everything that allocates comes before the fork.
  std::vector<std::string> arguments = spec_.arguments(*this);
  arguments.insert(arguments.begin(), spec_.program);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const std::string log = folder_ + "/log";
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    dup2(in, 0);
    dup2(out, 1);
    dup2(out, 2);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(out);
  close(in);
  if (pid_ < 0) return absl::ResourceExhaustedError("no process can be made for " + spec_.name);
  return absl::OkStatus();
}

void ServiceProcess::End(int signal) {
  if (pid_ <= 0) return;
  kill(pid_, signal);
  int status = 0;
  for (int poll = 0; signal != SIGKILL && poll < kPollsToEnd; ++poll) {
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return;
    }
    std::this_thread::sleep_for(kPoll);
  }
  kill(pid_, SIGKILL);
  waitpid(pid_, &status, 0);
  pid_ = -1;
}

void ServiceProcess::Stop() { End(SIGTERM); }
void ServiceProcess::Kill() { End(SIGKILL); }

void ServiceProcess::Pause() {
  if (pid_ <= 0) return;
  kill(pid_, SIGSTOP);
  int status = 0;
  if (waitpid(pid_, &status, WUNTRACED) == pid_ && !WIFSTOPPED(status)) pid_ = -1;  // it had ended
}

void ServiceProcess::Resume() {
  if (pid_ > 0) kill(pid_, SIGCONT);
}

void ServiceProcess::Forget() {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, ignored))
    std::filesystem::remove_all(entry.path(), ignored);
}

std::string ServiceProcess::Log() const {
  std::ifstream file(folder_ + "/log");
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  constexpr size_t kShown = 4000;
  return all.size() <= kShown ? all : all.substr(all.size() - kShown);
}

}  // namespace micro::services
