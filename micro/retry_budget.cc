#include "micro/retry_budget.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/hash/hash.h"
#include "core/strings.h"

namespace micro {
namespace {

constexpr double kPaidIn = 0.95;      // of the share
constexpr double kLeastBalance = 10;  // retries that are never too many at once
constexpr double kBalanceSeconds = 0.25;
constexpr absl::Duration kRarely = absl::Milliseconds(333);

}  // namespace

RetryBudget::RetryBudget(double share, Clock& clock)
    : share_(share),
      clock_(clock),
      balance_(kLeastBalance),
      began_(clock.Now()),
      granted_(began_) {}

// Pays in for the calls since the last time, and returns the time.
absl::Time RetryBudget::Count() {
  const absl::Time now = clock_.Now();
  const uint64_t calls = calls_.load(std::memory_order_relaxed);
  if (const double seconds = absl::ToDoubleSeconds(now - began_); seconds >= 1) {
    per_second_ = static_cast<double>(calls - calls_before_) / seconds;
    began_ = now;
    calls_before_ = calls;
  }
  // Of a second that is not over, the calls so far.
  const double rate = std::max(per_second_, static_cast<double>(calls - calls_before_));
  const double most = std::max(kLeastBalance, share_ * rate * kBalanceSeconds);
  balance_ += share_ * kPaidIn * static_cast<double>(calls - counted_);
  balance_ = std::min(balance_, most);
  counted_ = calls;
  return now;
}

bool RetryBudget::Withdraw() {
  if (share_ == 0) return false;
  MutexLock lock(mutex_);
  const absl::Time now = Count();
  if (balance_ >= 1) {
    balance_ -= 1;
  } else if (now - granted_ < kRarely) {
    return false;
  }
  granted_ = now;
  return true;
}

struct RetryBudgets::Row {
  const std::string service;
  RetryBudget budget;
};

RetryBudgets::RetryBudgets(double share, Clock& clock)
    : share_(share), clock_(clock), rest_(share, clock) {}

RetryBudgets::~RetryBudgets() {
  for (const std::atomic<Row*>& row : rows_) delete row.load();
}

RetryBudget& RetryBudgets::Of(std::string_view service) {
  size_t place = absl::Hash<absl::string_view>()(ToAbsl(service)) % kRows;
  std::unique_ptr<Row> own;
  while (true) {
    Row* row = rows_[place].load(std::memory_order_acquire);
    if (row == nullptr) {
      if (own == nullptr) {
        if (services_.fetch_add(1, std::memory_order_relaxed) >= kMostServices) {
          services_.fetch_sub(1, std::memory_order_relaxed);
          return rest_;
        }
        own.reset(new Row{std::string(service), RetryBudget(share_, clock_)});
      }
      if (rows_[place].compare_exchange_strong(row, own.get(), std::memory_order_acq_rel))
        return own.release()->budget;
    }
    if (row->service == service) {
      if (own != nullptr) services_.fetch_sub(1, std::memory_order_relaxed);
      return row->budget;
    }
    place = (place + 1) % kRows;
  }
}

}  // namespace micro
