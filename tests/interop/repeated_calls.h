// RepeatedCalls makes the same call many times, and counts what became of them: for the interop
// client's --repeat.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/mutex.h"
#include "core/task.h"
#include "micro/client.h"

namespace interop {

class RepeatedCalls {
 public:
  struct Options {
    int64_t repeat = 1;
    double rate = 0;                                 // a second; 0: one after the other
    bool times = false;                              // tell of times and nodes, too
    absl::Duration timeline = absl::ZeroDuration();  // and what happened in each such period
  };

  // Sees each attempt and its node, for the times and the timeline. To be one of the client's call
  // wrappers; this outlives the client.
  micro::CallWrapper Recorder();

  // Makes the calls, fewer when SIGTERM comes, and prints the counts. True: none failed.
  micro::Task<bool> Run(micro::Context ctx, Options options,
                        std::function<micro::Task<absl::Status>(micro::Context)> call);

 private:
  struct Node {
    int64_t failed = 0;
    std::vector<absl::Duration> times = {};  // of attempts that went well
  };
  struct Period {
    int64_t ok = 0, failed = 0;
    std::map<std::string, int64_t> attempts = {};  // by node
  };

  micro::Task<void> One(micro::Context ctx);
  Period& PeriodOf(absl::Time began) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Print(int64_t sent);

  Options options_;
  std::function<micro::Task<absl::Status>(micro::Context)> call_;
  micro::Mutex mutex_;
  bool calling_ ABSL_GUARDED_BY(mutex_) = false;  // a call went well
  std::map<std::string, int64_t> errors_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Duration> times_ ABSL_GUARDED_BY(mutex_);  // of calls that went well
  std::map<std::string, Node> nodes_ ABSL_GUARDED_BY(mutex_);  // by id
  std::map<absl::Time, Period> timeline_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace interop
