// Waiting for the signals that end a service.
#pragma once

namespace micro {

// From its construction to its destruction SIGTERM, SIGINT and SIGQUIT wake Wait instead of ending
// the process; a second signal ends it at once, with exit code 128 + its number. One object at a
// time.
class StopSignals {
 public:
  explicit StopSignals(bool handle);
  ~StopSignals();

  // Waits for a signal or a Wake; the signal's number, or 0.
  int Wait();

  // Ends Wait. From any thread, before or during it.
  void Wake();

 private:
  const bool handle_;
};

}  // namespace micro
