#include "micro/registration.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "core/async.h"
#include "core/log.h"
#include "core/random.h"
#include "micro/self_lookup.h"

namespace micro {
namespace {

// Stands in for an interval of zero while the record is not registered.
constexpr absl::Duration kInterval = absl::Seconds(30);

// Before the second and third attempt of the first turn, as go-micro has it.
constexpr absl::Duration kBeforeAttempt[] = {absl::Milliseconds(100), absl::Milliseconds(600)};

// Lookups in vain before the log says that a new node is not found: news take their time.
constexpr int kUnseen = 5;

}  // namespace

Registration::Registration(const ServerOptions& options,
                           std::shared_ptr<registry::Registry> registry,
                           std::function<void(bool ready)> tell)
    : options_(options), registry_(std::move(registry)), tell_(std::move(tell)) {
  std::tie(loop_ctx_, stop_loop_) = WithCancel(Context());
}

Registration::~Registration() {
  stop_loop_();
  scope_.Join();
}

Task<absl::Status> Registration::Begin(Context ctx, registry::Service record) {
  record_ = std::move(record);
  co_return co_await Turn(std::move(ctx), 1 + std::size(kBeforeAttempt));
}

void Registration::Continue() { Spawn(scope_, Loop()); }

Task<absl::Status> Registration::End(Context ctx) {
  stop_loop_();
  co_await scope_.Done();
  SetReadiness(absl::UnavailableError("the server is stopping"));
  // A registration whose answer was lost is taken back too, but only one that was certain is owed
  // an answer here.
  was_registered_ = registered_;
  const absl::Status status = co_await Deregister(std::move(ctx));
  co_return was_registered_ ? status : absl::OkStatus();
}

// Asks the check, then registers. OK also where the check keeps the node out.
Task<absl::Status> Registration::Turn(Context ctx, int attempts) {
  if (options_.register_check != nullptr) {
    const absl::Status ready = co_await options_.register_check(ctx);
    if (!ready.ok()) {
      failures_ = unseen_ = 0;
      said_unseen_ = false;
      SetReadiness(absl::UnavailableError(
          fmt::format("the register check failed: {}", std::string(ready.message()))));
      Complain("the register check failed; the node stays out of the registry", ready);
      (void)co_await Deregister(ctx);  // where that fails, the next turn tries again
      co_return absl::OkStatus();
    }
  }
  absl::Status status;
  for (int attempt = 0; attempt < attempts; ++attempt) {
    if (attempt > 0 && !(co_await Sleep(ctx, kBeforeAttempt[attempt - 1])).ok()) break;
    maybe_listed_ = true;
    status = co_await registry_->Register(ctx, record_, {.ttl = options_.register_ttl});
    if (status.ok() || absl::IsInvalidArgument(status)) break;
  }
  if (!status.ok() && !ctx.status().ok()) co_return status;  // it was given up
  is_silent_ = absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status);
  if (!status.ok()) {
    ++failures_;
    if (!registered_) {
      SetReadiness(absl::UnavailableError(
          fmt::format("it could not register yet: {}", std::string(status.message()))));
    }
    Complain(absl::IsInvalidArgument(status) ? "the registry refuses the record"
                                             : "could not register; trying on",
             status);
    co_return status;
  }
  failures_ = 0;
  if (!registered_ || !complaints_.empty()) {
    log::Info(registered_ ? "registered again" : "registered",
              {{"service", options_.name},
               {"node", record_.nodes[0].id},
               {"address", record_.nodes[0].address},
               {"registry", registry_->name()}});
  }
  registered_ = true;
  complaints_.clear();
  co_return status;
}

// Takes the record out of the registry, if it may be there.
Task<absl::Status> Registration::Deregister(Context ctx) {
  if (!maybe_listed_) co_return absl::OkStatus();
  absl::Status status = co_await registry_->Deregister(std::move(ctx), record_);
  if (status.ok()) {
    maybe_listed_ = registered_ = false;
    log::Info("deregistered", {{"service", options_.name}, {"node", record_.nodes[0].id}});
  } else {
    Complain("could not deregister", status);
  }
  co_return status;
}

Task<void> Registration::Loop() {
  const bool goes_on = options_.register_interval > absl::ZeroDuration();
  while (true) {
    if (registered_ && !is_silent_) co_await Look();
    if (!goes_on && registered_ && readiness().ok()) co_return;
    if (!(co_await Sleep(loop_ctx_, Pause())).ok()) co_return;
    (void)co_await Turn(loop_ctx_, 1);
    // What was found is looked up again halfway to the next turn; what was not, at once.
    if (readiness().ok() && failures_ == 0 && !(co_await Sleep(loop_ctx_, Pause())).ok()) co_return;
  }
}

// Sees whether the node is found.
Task<void> Registration::Look() {
  const absl::Status seen = co_await LookUpSelf(loop_ctx_, *registry_, record_);
  if (!loop_ctx_.status().ok()) co_return;
  const bool was_ready = readiness().ok();
  if (seen.ok()) {
    unseen_ = 0;
    if (std::exchange(said_unseen_, false)) {
      log::Info("ready: the registry lists the node",
                {{"service", options_.name}, {"node", record_.nodes[0].id}});
    }
    SetReadiness(absl::OkStatus());
    co_return;
  }
  if (was_ready && !absl::IsNotFound(seen)) co_return;
  ++unseen_;
  if ((was_ready || unseen_ == kUnseen) && !std::exchange(said_unseen_, true)) {
    log::Warn("not ready: callers do not find the node; registering it again",
              {{"service", options_.name}, {"error", seen}});
  }
  SetReadiness(absl::UnavailableError(seen.message()));
}

absl::Status Registration::readiness() const {
  MutexLock lock(mutex_);
  return readiness_;
}

void Registration::SetReadiness(absl::Status status) {
  const bool ready = status.ok();
  {
    MutexLock lock(mutex_);
    std::swap(readiness_, status);
  }
  if (ready != status.ok()) tell_(ready);
}

// Until the next turn or lookup. Drawn at random, so that the nodes of a fleet do not come as one.
absl::Duration Registration::Pause() const {
  const absl::Duration interval =
      options_.register_interval > absl::ZeroDuration() ? options_.register_interval : kInterval;
  const auto backoff = [&](absl::Duration first, int times) {
    return std::min(interval, first * (1 << std::min(times - 1, 10))) * (0.5 + 0.5 * RandomUnit());
  };
  if (failures_ > 0) return backoff(absl::Seconds(1), failures_);
  if (unseen_ > 0) return backoff(absl::Milliseconds(100), unseen_);
  return interval * (0.9 + 0.2 * RandomUnit()) * (readiness().ok() ? 0.5 : 1);
}

// Says what is wrong, unless it is what was said last.
void Registration::Complain(std::string_view what, const absl::Status& status) {
  std::string text = status.ToString();
  std::string& said = complaints_[what];
  if (said == text) return;
  said = std::move(text);
  log::Write(absl::IsInvalidArgument(status) ? log::Level::kError : log::Level::kWarn, what,
             {{"service", options_.name}, {"registry", registry_->name()}, {"error", status}});
}

}  // namespace micro
