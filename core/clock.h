// A Clock tells the time and calls back at a time: the seam through which tests replace waiting.
//
// Real() is the process's clock: it starts at the wall time and then runs on the monotonic clock,
// so that a deadline taken from it survives a jump of the wall clock. All methods may be called
// from any thread.
#pragma once

#include <cstdint>

#include "absl/functional/any_invocable.h"
#include "absl/time/time.h"

namespace micro {

class Clock {
 public:
  using TimerId = uint64_t;

  virtual ~Clock() = default;

  // The clock of the process. Its callbacks run one after another on one thread: they must be short
  // and never block.
  static Clock& Real();

  virtual absl::Time Now() = 0;

  // Runs `callback` once `when` has come; a time that has passed means "as soon as possible". Never
  // inside At itself, but the clock's thread may run it before At has returned.
  virtual TimerId At(absl::Time when, absl::AnyInvocable<void()> callback) = 0;

  // Takes a timer back. True: its callback has not begun and never will. False: it has run, or is
  // running.
  virtual bool Cancel(TimerId timer) = 0;
};

}  // namespace micro
