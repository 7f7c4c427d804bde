#include "micro/signals.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>

namespace micro {
namespace {

constexpr std::array kSignals = {SIGTERM, SIGINT, SIGQUIT};

// What the handler may touch: an eventfd that lives as long as the process, and lock-free atomics.
std::atomic<int> received = 0;
int WakeFd() {
  static const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return fd;
}

void WriteWake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(WakeFd(), &one, sizeof(one));
}

void OnSignal(int signal) {
  int none = 0;
  if (!received.compare_exchange_strong(none, signal)) {
    constexpr char kText[] = "second signal: ending at once, running calls are cut\n";
    [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kText, sizeof(kText) - 1);
    _exit(128 + signal);
  }
  WriteWake();
}

}  // namespace

StopSignals::StopSignals(bool handle) : handle_(handle) {
  received = 0;
  uint64_t drained = 0;
  [[maybe_unused]] const ssize_t read_bytes = read(WakeFd(), &drained, sizeof(drained));
  if (!handle_) return;
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (const int signal : kSignals) sigaction(signal, &action, nullptr);
}

StopSignals::~StopSignals() {
  if (!handle_) return;
  for (const int signal : kSignals) std::signal(signal, SIG_DFL);
}

int StopSignals::Wait() {
  pollfd wake = {.fd = WakeFd(), .events = POLLIN, .revents = 0};
  while (poll(&wake, 1, -1) < 0) {
  }
  uint64_t drained = 0;
  [[maybe_unused]] const ssize_t read_bytes = read(WakeFd(), &drained, sizeof(drained));
  return received;
}

void StopSignals::Wake() { WriteWake(); }

}  // namespace micro
