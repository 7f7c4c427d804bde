#include "registry/consul/consul_followers.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/async.h"
#include "core/log.h"
#include "core/status_macros.h"
#include "registry/consul/consul_pauses.h"

namespace micro::registry::consul {
namespace {

// How long one question stays open, at most.
constexpr absl::Duration kWait = absl::Minutes(1);

// A waiting question takes a connection, of which an agent allows 200 from one machine. Services
// beyond these are asked for again and again instead.
constexpr int kMaxWaiting = 100;
constexpr double kPollSeconds = 5;

// One follower's way to ask: after which index, how often, and what to do about failures.
class Inquiry {
 public:
  Inquiry(Agent& agent, std::atomic<int>& waiting, std::atomic<int>& failing, uint64_t index)
      : agent_(agent),
        waiting_(waiting),
        all_failing_(failing),
        index_(index),
        address_(agent.current()) {}
  ~Inquiry() {
    if (failing_) all_failing_.fetch_sub(1);  // it asks no more: that is no news of Consul
  }
  Inquiry(const Inquiry&) = delete;
  Inquiry& operator=(const Inquiry&) = delete;

  // What to ask next, once it is time.
  struct Turn {
    After after = {};
    bool is_break = false;  // since the last answer
    bool waits = false;
  };
  Task<absl::StatusOr<Turn>> Next(Context ctx, absl::Duration longest) {
    Turn turn;
    if (pause_ > absl::ZeroDuration()) CO_RETURN_IF_ERROR(co_await Sleep(ctx, pause_));
    if (agent_.current() != address_) {
      address_ = agent_.current();
      index_ = 0;
      turn.is_break = true;
    }
    if (index_ == 0) co_return turn;
    turn.waits = waiting_.fetch_add(1) < kMaxWaiting;
    if (turn.waits) {
      turn.after = {index_, std::clamp(longest, absl::Milliseconds(1), kWait)};
    } else {
      waiting_.fetch_sub(1);
      const absl::Duration pause = absl::Seconds(kPollSeconds * (0.5 + 0.5 * RandomUnit()));
      CO_RETURN_IF_ERROR(co_await Sleep(ctx, std::min(pause, longest)));
    }
    co_return turn;
  }

  // Notes how it went. True: a break, after which the agent may have forgotten something.
  bool Done(const Context& ctx, const Turn& turn, const absl::Status& status, uint64_t index) {
    if (turn.waits) waiting_.fetch_sub(1);
    if (!ctx.status().ok()) return false;
    NoteFailing(status);
    if (!status.ok()) {
      pause_ = backoff_.Next();
      index_ = 0;
      return true;
    }
    backoff_.Reset();
    pause_ = pace_.Next(Clock::Real().Now());
    // An index that goes back is one of another history.
    const bool is_break = index < index_;
    index_ = is_break ? 0 : index;
    return is_break || turn.is_break;
  }

 private:
  // One line for all that fail together.
  void NoteFailing(const absl::Status& status) {
    const bool fails = !status.ok();
    if (std::exchange(failing_, fails) == fails) return;
    if (fails && all_failing_.fetch_add(1) == 0) {
      log::Warn("Consul cannot be asked for changes; the last good nodes stay",
                {{"error", status}});
    }
    if (!fails && all_failing_.fetch_sub(1) == 1) log::Info("Consul can be asked again");
  }

  Agent& agent_;
  std::atomic<int>& waiting_;
  std::atomic<int>& all_failing_;
  uint64_t index_;
  AddressIndex address_;
  Backoff backoff_;
  Pace pace_;
  absl::Duration pause_;
  bool failing_ = false;
};

}  // namespace

// What is known of a followed service.
struct Followers::Followed {
  Followed(const std::vector<Service>& known, absl::Duration grace) : view(known, grace) {}

  Mutex mutex;
  View view ABSL_GUARDED_BY(mutex);
  bool closed ABSL_GUARDED_BY(mutex) = false;  // nobody holds it: it publishes no more
};

// Ends the following when the last who holds it lets go.
class Followers::Following {
 public:
  Following(CancelFunction cancel, std::shared_ptr<Followed> followed)
      : cancel_(std::move(cancel)), followed_(std::move(followed)) {}
  ~Following() {
    {
      MutexLock lock(followed_->mutex);
      followed_->closed = true;
    }
    cancel_();
  }
  Following(const Following&) = delete;
  Following& operator=(const Following&) = delete;

  Followed& followed() const { return *followed_; }
  bool empty() const {
    MutexLock lock(followed_->mutex);
    return followed_->view.empty();
  }

 private:
  const CancelFunction cancel_;
  const std::shared_ptr<Followed> followed_;
};

Followers::Followers(Agent& agent, Reader& reader, EventFeed& feed, absl::Duration grace)
    : agent_(agent), reader_(reader), feed_(feed), grace_(grace) {
  std::tie(ctx_, cancel_) = WithCancel(Context());
}

Followers::~Followers() {
  cancel_();
  scope_.Join();
}

Followers::FollowingPtr Followers::Find(const std::string& name) {
  MutexLock lock(mutex_);
  const auto following = services_.find(name);
  return following == services_.end() ? nullptr : following->second.lock();
}

Followers::FollowingPtr Followers::Start(const std::string& name, const Health& known,
                                         uint64_t index) {
  auto [ctx, cancel] = WithCancel(ctx_);
  const auto followed = std::make_shared<Followed>(known.services, grace_);
  auto following = std::make_shared<const Following>(std::move(cancel), followed);
  FollowingPtr other;  // let go outside the lock
  {
    MutexLock lock(mutex_);
    std::erase_if(services_, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<const Following>& place = services_[name];
    other = place.lock();
    if (other == nullptr) place = following;
  }
  if (other != nullptr) return other;
  Spawn(scope_, Run(ctx, name, followed, index));
  return following;
}

Task<absl::StatusOr<Followers::Hold>> Followers::Follow(Context ctx, std::string name) {
  if (FollowingPtr following = Find(name)) co_return following;
  CO_ASSIGN_OR_RETURN(const HttpAnswer answer,
                      co_await agent_.Health(ctx, reader_.names().InConsul(name), {}));
  CO_ASSIGN_OR_RETURN(const Health known, reader_.ReadHealth(answer.body, name));
  co_return Start(name, known, answer.index);
}

Task<void> Followers::Run(Context ctx, std::string name, std::shared_ptr<Followed> followed,
                          uint64_t index) {
  Inquiry inquiry(agent_, waiting_, failing_, index);
  while (true) {
    absl::Time due;
    {
      MutexLock lock(followed->mutex);
      due = followed->view.due();
    }
    const auto turn = co_await inquiry.Next(ctx, due - Clock::Real().Now());
    if (!turn.ok()) co_return;
    const absl::StatusOr<HttpAnswer> answer =
        co_await agent_.Health(ctx, reader_.names().InConsul(name), turn->after);
    const absl::StatusOr<Health> health =
        answer.ok() ? reader_.ReadHealth(answer->body, name) : answer.status();
    const bool is_break =
        inquiry.Done(ctx, *turn, health.status(), answer.ok() ? answer->index : 0);
    if (!ctx.status().ok()) co_return;
    MutexLock lock(followed->mutex);
    if (is_break) followed->view.Break();
    if (!health.ok() || followed->closed) continue;
    for (const Event& event : followed->view.Update(*health, Clock::Real().Now()))
      feed_.Publish(event);
  }
}

Task<absl::StatusOr<Followers::Hold>> Followers::FollowAll(Context ctx) {
  {
    MutexLock lock(mutex_);
    if (FollowingPtr all = all_.lock()) co_return all;
  }
  CO_ASSIGN_OR_RETURN(const HttpAnswer answer, co_await agent_.Catalog(ctx, {}));
  CO_ASSIGN_OR_RETURN(const std::vector<std::string> names, reader_.ReadCatalog(answer.body));
  std::map<std::string, FollowingPtr> services;
  for (const std::string& name : names) {
    CO_ASSIGN_OR_RETURN(const Hold hold, co_await Follow(ctx, name));
    services[name] = std::static_pointer_cast<const Following>(hold);
  }
  auto [all_ctx, cancel] = WithCancel(ctx_);
  auto following = std::make_shared<const Following>(
      std::move(cancel), std::make_shared<Followed>(std::vector<Service>(), grace_));
  FollowingPtr other;
  {
    MutexLock lock(mutex_);
    other = all_.lock();
    if (other == nullptr) all_ = following;
  }
  if (other != nullptr) co_return other;
  Spawn(scope_, RunAll(all_ctx, std::move(services), answer.index));
  co_return following;
}

Task<void> Followers::RunAll(Context ctx, std::map<std::string, FollowingPtr> services,
                             uint64_t index) {
  Inquiry inquiry(agent_, waiting_, failing_, index);
  while (true) {
    const auto turn = co_await inquiry.Next(ctx, kWait);
    if (!turn.ok()) co_return;
    const absl::StatusOr<HttpAnswer> answer = co_await agent_.Catalog(ctx, turn->after);
    const absl::StatusOr<std::vector<std::string>> names =
        answer.ok() ? reader_.ReadCatalog(answer->body) : answer.status();
    inquiry.Done(ctx, *turn, names.status(), answer.ok() ? answer->index : 0);
    if (!ctx.status().ok()) co_return;
    if (!names.ok()) continue;
    for (const std::string& name : *names) {
      if (services.count(name) == 0) services[name] = Start(name, {}, 0);
    }
    // One that is no longer listed is let go once its last node was told to be gone.
    std::erase_if(services, [&](const auto& entry) {
      return !std::binary_search(names->begin(), names->end(), entry.first) &&
             entry.second->empty();
    });
  }
}

std::vector<Service> Followers::Doubted(const std::string& name) {
  const FollowingPtr following = Find(name);
  if (following == nullptr) return {};
  MutexLock lock(following->followed().mutex);
  return following->followed().view.Doubted();
}

}  // namespace micro::registry::consul
