// A RetryBudget keeps second attempts a small part of all calls, so that callers do not multiply
// the load of a service that is in trouble.
//
//   RetryBudget& budget = budgets.Of("helloworld");
//   budget.Deposit();                                  // one call
//   ... it fails, and would be tried again ...
//   if (!budget.Withdraw()) co_return last_error;
//
// Each call pays in its share, up to a balance with which failures that come together are met, as
// when a node dies: what a quarter of a second's calls pay, ten retries at least. A twentieth of the
// share is kept back for what that balance allows in excess, so that with a share of 20 % the calls
// of any five seconds of steady load, 1000 or more, bring a fifth of them in retries at most,
// whatever came before. A caller so rare that its calls pay for none (below 16 a second) may still
// make one that follows the last after a third of a second.
//
// Any thread. A call counts one atomic up; only who asks for a retry takes a lock, and one call in
// 256.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/mutex.h"

namespace micro {

class RetryBudget {
 public:
  // `share`: retries per call, 0 (none at all) to 1.
  explicit RetryBudget(double share, Clock& clock = Clock::Real());

  // A call was made.
  void Deposit() {
    if (calls_.fetch_add(1, std::memory_order_relaxed) % 256 == 255) {
      MutexLock lock(mutex_);
      (void)Count();
    }
  }

  // Whether one more attempt may be made.
  bool Withdraw();

 private:
  absl::Time Count() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const double share_;
  Clock& clock_;
  alignas(64) std::atomic<uint64_t> calls_ = 0;
  alignas(64) Mutex mutex_;
  uint64_t counted_ ABSL_GUARDED_BY(mutex_) = 0;  // of the calls, those that are in the balance
  double balance_ ABSL_GUARDED_BY(mutex_);        // in retries
  // The calls of a second or more, by which the balance is bounded.
  absl::Time began_ ABSL_GUARDED_BY(mutex_);
  uint64_t calls_before_ ABSL_GUARDED_BY(mutex_) = 0;
  double per_second_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time granted_ ABSL_GUARDED_BY(mutex_);  // when the last retry was
};

// The budgets of a client, by service. Any thread, without a lock. Services beyond 768 share
// one budget.
class RetryBudgets {
 public:
  explicit RetryBudgets(double share, Clock& clock = Clock::Real());
  ~RetryBudgets();
  RetryBudgets(const RetryBudgets&) = delete;
  RetryBudgets& operator=(const RetryBudgets&) = delete;

  // It lives as long as this object.
  RetryBudget& Of(std::string_view service);

 private:
  struct Row;
  static constexpr size_t kRows = 1024;  // a power of two, with room between the services
  static constexpr size_t kMostServices = kRows / 4 * 3;

  const double share_;
  Clock& clock_;
  std::array<std::atomic<Row*>, kRows> rows_ = {};  // a row that stands there stays
  std::atomic<size_t> services_ = 0;
  RetryBudget rest_;
};

}  // namespace micro
