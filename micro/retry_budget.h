// A RetryBudget keeps second attempts a small part of all calls, so that callers do not multiply
// the load of a service that is in trouble.
//
//   RetryBudget& budget = budgets.Of("helloworld");
//   budget.Deposit();                                  // one call
//   ... it fails, and would be tried again ...
//   if (!budget.Withdraw()) co_return last_error;
//
// Each call pays in its share, up to a balance of ten retries, with which a budget also begins. A
// twentieth of the share is kept back for what that balance allows in excess, so that with a share
// of 20 % any 1000 calls in a row, whatever came before them, bring 200 retries at most. A caller so
// rare that its calls pay for none (below 16 a second) may still make one that follows the last
// after a third of a second.
//
// Any thread, and without a lock. While the balance is full, as it is when calls go well, a call
// only reads.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/clock.h"

namespace micro {

class RetryBudget {
 public:
  // `share`: retries per call, 0 (none at all) to 1.
  explicit RetryBudget(double share, Clock& clock = Clock::Real());

  // A call was made.
  void Deposit() {
    if (balance_.load(std::memory_order_relaxed) < kFull) PayIn();
  }

  // Whether one more attempt may be made.
  bool Withdraw();

 private:
  static constexpr int64_t kRetry = 1'000'000;  // what one costs
  static constexpr int64_t kFull = 10 * kRetry;

  void PayIn();

  const int64_t deposit_;
  Clock& clock_;
  std::atomic<int64_t> balance_;
  std::atomic<int64_t> last_ns_;  // when the last was granted
};

// The budgets of a client, by service. Any thread, and without a lock. Services beyond 768 share
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
