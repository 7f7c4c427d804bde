#include "tests/interop/repeated_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <utility>

#include "core/async.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/task_scope.h"

namespace interop {

using micro::Context;
using micro::Task;

namespace {

std::atomic<bool> enough = false;

absl::Time Now() { return micro::Clock::Real().Now(); }

std::string Percentiles(std::vector<absl::Duration> times) {
  std::sort(times.begin(), times.end());
  const auto at = [&](size_t percent) {
    return absl::ToDoubleMilliseconds(times[(times.size() - 1) * percent / 100]);
  };
  return fmt::format("p50_ms={:.3f} p99_ms={:.3f}", at(50), at(99));
}

}  // namespace

micro::CallWrapper RepeatedCalls::Recorder() {
  return [this](micro::CallFunc next) -> micro::CallFunc {
    return
        [this, next = std::move(next)](const Context& ctx, const micro::registry::Node& node,
                                       const micro::Request& request, micro::CallResponse response,
                                       const micro::CallOptions& options) -> Task<absl::Status> {
          const absl::Time began = Now();
          const absl::Status status = co_await next(ctx, node, request, response, options);
          const absl::Duration took = Now() - began;
          micro::MutexLock lock(mutex_);
          if (options_.timeline > absl::ZeroDuration()) ++PeriodOf(began).attempts[node.id];
          if (status.ok()) {
            nodes_[node.id].times.push_back(took);
          } else {
            ++nodes_[node.id].failed;
          }
          co_return status;
        };
  };
}

Task<bool> RepeatedCalls::Run(Context ctx, Options options,
                              std::function<Task<absl::Status>(Context)> call) {
  options_ = options;
  call_ = std::move(call);
  std::signal(SIGTERM, [](int) { enough = true; });
  micro::TaskScope scope;
  const absl::Time start = Now();
  int64_t sent = 0;
  for (; sent < options.repeat && !enough; ++sent) {
    if (options.rate > 0) {
      const absl::Duration wait =
          start + absl::Seconds(static_cast<double>(sent) / options.rate) - Now();
      if (wait > absl::ZeroDuration()) (void)co_await micro::Sleep(ctx, wait);
      micro::Spawn(scope, One(ctx));
    } else {
      co_await One(ctx);
    }
  }
  co_await scope.Done();
  co_return Print(sent);
}

Task<void> RepeatedCalls::One(Context ctx) {
  const absl::Time began = Now();
  const absl::Status status = co_await call_(ctx);
  const absl::Duration took = Now() - began;
  micro::MutexLock lock(mutex_);
  if (options_.timeline > absl::ZeroDuration()) {
    Period& period = PeriodOf(began);
    ++(status.ok() ? period.ok : period.failed);
  }
  if (!status.ok()) {
    ++errors_[micro::errors::ToText(status)];
    co_return;
  }
  times_.push_back(took);
  if (options_.times && !std::exchange(calling_, true)) {
    std::printf("calling\n");
    std::fflush(stdout);
  }
}

RepeatedCalls::Period& RepeatedCalls::PeriodOf(absl::Time began) {
  return timeline_[absl::UnixEpoch() + absl::Floor(began - absl::UnixEpoch(), options_.timeline)];
}

bool RepeatedCalls::Print(int64_t sent) {
  micro::MutexLock lock(mutex_);
  int64_t failed = 0;
  for (const auto& [error, count] : errors_) failed += count;
  fmt::print("sent={} ok={} failed={}\n", sent, sent - failed, failed);
  if (options_.times) {
    if (!times_.empty()) fmt::print("{}\n", Percentiles(times_));
    for (const auto& [id, node] : nodes_) {
      fmt::print("node {} ok={} failed={}{}\n", id, node.times.size(), node.failed,
                 node.times.empty() ? "" : " " + Percentiles(node.times));
    }
  }
  for (const auto& [began, period] : timeline_) {
    fmt::print("at={:.3f} ok={} failed={}", absl::ToDoubleSeconds(began - absl::UnixEpoch()),
               period.ok, period.failed);
    for (const auto& [id, attempts] : period.attempts) fmt::print(" {}={}", id, attempts);
    fmt::print("\n");
  }
  for (const auto& [error, count] : errors_) fmt::print("{} × {}\n", count, error);
  std::fflush(stdout);
  return failed == 0;
}

}  // namespace interop
