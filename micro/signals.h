// Waiting for the signals that end a service.
#pragma once

#include <functional>
#include <thread>

namespace micro {

// From its construction to its destruction SIGTERM, SIGINT and SIGQUIT wake Wait instead of ending
// the process. A second signal ends it: `say_what_is_cut` is called, on a thread of this object, and
// the exit code is 128 + the signal's number; a third does not wait for that. One object at a time.
class StopSignals {
 public:
  StopSignals(bool handle, std::function<void()> say_what_is_cut);
  ~StopSignals();

  // Waits for a signal or a Wake; the signal's number, or 0.
  int Wait();

  // Ends Wait. From any thread, before or during it.
  void Wake();

 private:
  void WatchForSecond();

  const bool handle_;
  const std::function<void()> say_what_is_cut_;
  std::thread watcher_;
};

}  // namespace micro
