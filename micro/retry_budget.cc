#include "micro/retry_budget.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/hash/hash.h"
#include "core/strings.h"

namespace micro {
namespace {

constexpr double kPaidIn = 0.95;  // of the share; the rest is for the balance at the beginning
constexpr int64_t kRarelyNs = 1'000'000'000 / 3;

}  // namespace

RetryBudget::RetryBudget(double share, Clock& clock)
    : deposit_(std::llround(share * kPaidIn * kRetry)),
      clock_(clock),
      balance_(deposit_ > 0 ? kFull : 0),
      last_ns_(absl::ToUnixNanos(clock.Now())) {}

void RetryBudget::PayIn() {
  int64_t balance = balance_.load(std::memory_order_relaxed);
  while (balance < kFull &&
         !balance_.compare_exchange_weak(balance, std::min(balance + deposit_, kFull),
                                         std::memory_order_relaxed)) {
  }
}

bool RetryBudget::Withdraw() {
  if (deposit_ == 0) return false;
  const int64_t now = absl::ToUnixNanos(clock_.Now());
  int64_t balance = balance_.load(std::memory_order_relaxed);
  while (balance >= kRetry) {
    if (balance_.compare_exchange_weak(balance, balance - kRetry, std::memory_order_relaxed)) {
      last_ns_.store(now, std::memory_order_relaxed);
      return true;
    }
  }
  // One of those who ask at the same time.
  int64_t last = last_ns_.load(std::memory_order_relaxed);
  return now - last >= kRarelyNs &&
         last_ns_.compare_exchange_strong(last, now, std::memory_order_relaxed);
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
