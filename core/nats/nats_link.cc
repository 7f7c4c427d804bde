#include "core/nats/nats_link.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <thread>

#include "core/clock.h"
#include "core/executor.h"
#include "core/log.h"
#include "core/random.h"
#include "core/status_macros.h"

namespace micro::nats {
namespace {

constexpr size_t kMaxQueued = 8192;
constexpr size_t kMaxQueuedBytes = 64 << 20;
constexpr absl::Duration kLeastPause = absl::Milliseconds(100);
constexpr absl::Duration kLongestPause = absl::Seconds(2);

// A connection that lives so long ends a row of failures.
constexpr absl::Duration kStable = absl::Seconds(1);

absl::Status Closed() { return absl::UnavailableError("the connection to NATS was closed"); }

// Who waits goes on elsewhere than on this thread, which is libnats', or in the caller, which may
// hold locks. It gets a status of its own: threads do not share one.
void Finish(const std::shared_ptr<OneShot<bool>>& done, const absl::Status& status) {
  if (done == nullptr) return;
  Executor::Default().Post([done, code = status.code(), message = std::string(status.message())] {
    if (code == absl::StatusCode::kOk) {
      done->TrySet(true);
    } else {
      done->TrySet(absl::Status(code, message));
    }
  });
}

}  // namespace

Connection::Link::Link(ConnectionOptions options, std::vector<Address> addresses)
    : options_(std::move(options)),
      addresses_(std::move(addresses)),
      flag_(options_.addresses.empty()
                ? fmt::format("flag --{}_address or MICRO_NATS_ADDRESS", options_.flags)
                : fmt::format("flag --{}_address", options_.flags)),
      next_address_(RandomBelow(addresses_.size())) {}

void Connection::Link::Subscribe(Subscription subscription) {
  {
    MutexLock lock(mutex_);
    subscriptions_.push_back(std::make_shared<const Subscription>(std::move(subscription)));
  }
  Enqueue({.work = [this](Session& session) { return SubscribeTo(session); }});
}

void Connection::Link::Enqueue(Command command) {
  MutexLock lock(mutex_);
  if (closing_) {
    Finish(command.done, Closed());
    return;
  }
  if (!unreachable_.ok()) {
    // Who waits for an answer is worth another attempt, if the last one is not quite new.
    if (!pausing_ || command.done == nullptr || Clock::Real().Now() < asks_again_) {
      Finish(command.done, unreachable_);
      return;
    }
    pausing_ = false;
  }
  if (queue_.size() >= kMaxQueued || queued_bytes_ + command.bytes > kMaxQueuedBytes) {
    Finish(command.done, absl::UnavailableError(fmt::format(
                             "{} messages wait for NATS already ({})", queue_.size(), flag_)));
    if (!std::exchange(full_, true)) {
      log::Error("NATS takes messages too slowly; more are dropped", {{"waiting", queue_.size()}});
    }
    return;
  }
  queued_bytes_ += command.bytes;
  queue_.push_back(std::move(command));
  if (!std::exchange(running_, true)) {
    std::thread([self = shared_from_this()] { self->Run(); }).detach();
  }
  changed_.NotifyAll();
}

void Connection::Link::Close() {
  const absl::Time end = Clock::Real().Now() + options_.patience + absl::Seconds(1);
  MutexLock lock(mutex_);
  closing_ = true;
  changed_.NotifyAll();
  while (running_) {
    if (changed_.WaitFor(mutex_, end - Clock::Real().Now()) || Clock::Real().Now() < end) continue;
    log::Error("a call to libnats does not return; its thread is left behind");
    return;
  }
}

void Connection::Link::Run() {
  int failures = 0;
  while (true) {
    absl::StatusOr<std::unique_ptr<Session>> session = Connect();
    if (session.ok()) {
      const absl::Time since = Clock::Real().Now();
      const absl::Status lost = Serve(**session);
      session->reset();
      if (lost.ok()) break;
      log::Warn("lost the connection to NATS", {{"address", address_}, {"error", lost}});
      had_none_ = true;
      failures = Clock::Real().Now() - since > kStable ? 0 : failures + 1;
    } else {
      GiveUp(session.status());
      ++failures;
    }
    // Up to 0.1 s after a loss, so that the clients of a server do not return as one; then 0.2 s,
    // 0.4 s … 2 s, each drawn from its upper half, or until somebody asks.
    const absl::Duration longest =
        std::min(kLongestPause, kLeastPause * (1 << std::min(failures, 10)));
    const double part = failures == 0 ? RandomUnit() : 0.5 + 0.5 * RandomUnit();
    if (!Pause(longest * part)) break;
  }
  GiveUp(Closed());
  MutexLock lock(mutex_);
  running_ = false;
  changed_.NotifyAll();
}

// Tries each server once.
absl::StatusOr<std::unique_ptr<Session>> Connection::Link::Connect() {
  std::vector<std::string> failures;
  for (size_t i = 0; i < addresses_.size() && !closing(); ++i) {
    const Address& address = addresses_[next_address_];
    const uint64_t id = ++sessions_;
    auto session =
        Session::Open(options_, address, [weak = weak_from_this(), id](absl::Status why) {
          if (const auto link = weak.lock()) link->OnLost(id, std::move(why));
        });
    absl::Status status = session.status();
    if (status.ok()) status = SubscribeTo(**session);
    if (status.ok()) status = (*session)->RoundTrip();
    if (status.ok()) {
      address_ = address.text();
      return session;
    }
    failures.push_back(fmt::format("{}: {}", address.text(), std::string(status.message())));
    next_address_ = (next_address_ + 1) % addresses_.size();
  }
  if (failures.empty()) return Closed();
  return absl::UnavailableError(
      fmt::format("NATS cannot be reached at {} ({})", fmt::join(failures, ", nor at "), flag_));
}

// Subscribes to what this session has not got yet.
absl::Status Connection::Link::SubscribeTo(Session& session) {
  std::vector<std::shared_ptr<const Subscription>> wanted;
  {
    MutexLock lock(mutex_);
    wanted = subscriptions_;
  }
  for (size_t i = session.subscriptions(); i < wanted.size(); ++i) {
    RETURN_IF_ERROR(session.Subscribe(wanted[i]));
  }
  return absl::OkStatus();
}

// Carries out what is queued until the session is lost, and then says why; OK: it is to be closed.
absl::Status Connection::Link::Serve(Session& session) {
  {
    MutexLock lock(mutex_);
    unreachable_ = absl::OkStatus();
  }
  if (std::exchange(had_none_, false)) {
    log::Info("connected to NATS again", {{"address", address_}});
    if (options_.reconnected != nullptr) options_.reconnected();
  }
  while (true) {
    std::deque<Command> commands;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !closing_ && lost_session_ != sessions_) changed_.Wait(mutex_);
      if (queue_.empty() && closing_) break;
      if (lost_session_ == sessions_) return std::move(lost_);
      commands.swap(queue_);
      queued_bytes_ = 0;
      full_ = false;
    }
    const absl::Status status = Carry(session, commands);
    if (!status.ok()) return status;
  }
  // What the server has not read goes with the socket.
  if (unconfirmed_) (void)session.RoundTrip();
  return absl::OkStatus();
}

// An error is one of the session: what is wrong with a message alone is told to who sent it.
absl::Status Connection::Link::Carry(Session& session, const std::deque<Command>& commands) {
  std::vector<absl::Status> results;
  bool awaited = false;
  for (const Command& command : commands) {
    results.push_back(command.work(session));
    if (command.done != nullptr) {
      awaited = true;
    } else if (absl::IsInvalidArgument(results.back())) {
      log::Error("NATS does not take a message", {{"error", results.back()}});
    }
  }
  absl::Status session_status;
  for (const absl::Status& result : results) {
    if (session_status.ok() && !absl::IsInvalidArgument(result)) session_status = result;
  }
  if (awaited && session_status.ok()) session_status = session.RoundTrip();
  unconfirmed_ = !awaited;
  absl::Status told = session_status;
  if (!told.ok()) {
    told = absl::UnavailableError(
        fmt::format("NATS at {}: {} ({})", address_, std::string(told.message()), flag_));
  }
  for (size_t i = 0; i < results.size(); ++i) {
    Finish(commands[i].done,
           absl::IsInvalidArgument(results[i]) || session_status.ok() ? results[i] : told);
  }
  return session_status;
}

// What is queued, and what will be until there is a connection, fails with this status.
void Connection::Link::GiveUp(const absl::Status& status) {
  std::deque<Command> commands;
  {
    MutexLock lock(mutex_);
    unreachable_ = status;
    commands.swap(queue_);
    queued_bytes_ = 0;
  }
  for (const Command& command : commands) Finish(command.done, status);
  if (!closing() && !std::exchange(had_none_, true)) {
    log::Warn("trying on to reach NATS", {{"error", status}});
  }
}

// False when the connection is to be closed instead.
bool Connection::Link::Pause(absl::Duration pause) {
  const absl::Time start = Clock::Real().Now();
  MutexLock lock(mutex_);
  asks_again_ = start + kLeastPause;
  pausing_ = true;
  for (absl::Time now = start; !closing_ && pausing_ && now < start + pause;
       now = Clock::Real().Now()) {
    changed_.WaitFor(mutex_, start + pause - now);
  }
  pausing_ = false;
  return !closing_;
}

bool Connection::Link::closing() {
  MutexLock lock(mutex_);
  return closing_;
}

void Connection::Link::OnLost(uint64_t session, absl::Status status) {
  MutexLock lock(mutex_);
  lost_session_ = session;
  lost_ = std::move(status);
  changed_.NotifyAll();
}

}  // namespace micro::nats
