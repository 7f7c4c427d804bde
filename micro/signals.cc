#include "micro/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>

namespace micro {
namespace {

constexpr std::array kSignals = {SIGTERM, SIGINT, SIGQUIT};

// What the handler may touch: eventfds that live as long as the process, and lock-free atomics.
std::atomic<int> first = 0, second = 0;
int FirstFd() {
  static const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd;
}
int SecondFd() {
  static const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd;
}

void Raise(int fd) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(fd, &one, sizeof(one));
}

void Lower(int fd) {
  uint64_t count = 0;
  [[maybe_unused]] const ssize_t read_bytes = read(fd, &count, sizeof(count));
}

void Await(int fd) {
  pollfd raised = {.fd = fd, .events = POLLIN, .revents = 0};
  while (poll(&raised, 1, -1) < 0) {
  }
  Lower(fd);
}

void OnSignal(int signal) {
  const int error = errno;
  int none = 0;
  if (first.compare_exchange_strong(none, signal)) {
    Raise(FirstFd());
  } else if (none = 0; second.compare_exchange_strong(none, signal)) {
    Raise(SecondFd());
  } else {
    _exit(128 + signal);
  }
  errno = error;
}

}  // namespace

StopSignals::StopSignals(bool handle, std::function<void()> say_what_is_cut)
    : handle_(handle), say_what_is_cut_(std::move(say_what_is_cut)) {
  first = second = 0;
  Lower(FirstFd());
  Lower(SecondFd());
  if (!handle_) return;
  watcher_ = std::thread([this] { WatchForSecond(); });
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
}

StopSignals::~StopSignals() {
  if (!handle_) return;
  for (const int signal : kSignals) std::signal(signal, SIG_DFL);
  Raise(SecondFd());
  watcher_.join();
}

void StopSignals::WatchForSecond() {
  Await(SecondFd());
  const int signal = second;
  if (signal == 0) return;  // the destructor
  say_what_is_cut_();
  _exit(128 + signal);
}

int StopSignals::Wait() {
  Await(FirstFd());
  return first;
}

void StopSignals::Wake() { Raise(FirstFd()); }

}  // namespace micro
