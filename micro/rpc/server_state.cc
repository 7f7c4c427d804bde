#include "micro/rpc/server_state.h"

#include <algorithm>
#include <utility>

#include "core/executor.h"
#include "core/log.h"
#include "core/net/asio.h"
#include "micro/rpc/connection.h"

namespace micro::rpc {

struct OnLoop::Ticker {
  explicit Ticker(net::Loop& loop) : timer(loop.io()) {}
  net::Timer timer;
};

OnLoop::OnLoop(ServerState& state, net::Loop& loop, absl::Duration interval)
    : state_(state), loop_(loop), interval_(interval), ticker_(std::make_unique<Ticker>(loop)) {}
OnLoop::~OnLoop() = default;

uint64_t OnLoop::TicksOf(absl::Duration duration) const {
  return static_cast<uint64_t>(absl::Ceil(duration, interval_) / interval_) + 1;
}

void OnLoop::Add(Connection& connection) {
  connection.place_ = connections_.size();
  connections_.push_back(&connection);
  if (!waiting_) Wait();
}

void OnLoop::Remove(Connection& connection) {
  Connection* last = connections_.back();
  connections_[connection.place_] = last;
  last->place_ = connection.place_;
  connections_.pop_back();
}

void OnLoop::ForEach(void (Connection::*method)()) {
  std::vector<Connection::Ptr> all(connections_.begin(), connections_.end());
  for (const Connection::Ptr& connection : all) (connection.get()->*method)();
}

void OnLoop::Wait() {
  waiting_ = true;
  ticker_->timer.expires_after(net::TimerDuration(interval_));
  ticker_->timer.async_wait([this, state = state_.shared_from_this()](const net::ErrorCode&) {
    waiting_ = false;
    ++tick_;
    ForEach(&Connection::Tick);
    if (!connections_.empty()) Wait();
  });
}

ServerState::ServerState(std::string service, std::vector<ServedEndpoint> served,
                         ServerLimits limits, HttpLimits http, size_t max_send, net::Loops& loops)
    : service(std::move(service)),
      endpoints(std::move(served)),
      limits(limits),
      http(http),
      max_send(max_send) {
  const absl::Duration interval = std::clamp(std::min(limits.message_timeout, limits.linger) / 4,
                                             absl::Milliseconds(5), absl::Seconds(1));
  for (size_t i = 0; i < loops.size(); ++i)
    on_loops.push_back(std::make_unique<OnLoop>(*this, loops[i], interval));
}

OnLoop& ServerState::On(net::Loop& loop) {
  return **std::find_if(on_loops.begin(), on_loops.end(),
                        [&](const auto& on) { return &on->loop() == &loop; });
}

bool ServerState::Admit() {
  if (alive.fetch_add(1) <= limits.connections) return true;
  Leave();
  const int64_t count = ++refused, now = absl::ToUnixSeconds(Clock::Real().Now());
  int64_t due = next_log.load();
  if (now >= due && next_log.compare_exchange_strong(due, now + 10)) {
    log::Warn("too many connections; refusing more",
              {{"service", service}, {"limit", limits.connections}, {"refused", count}});
  }
  return false;
}

void ServerState::Leave() {
  if (alive.fetch_sub(1) != 1) return;
  // Whoever waits for it goes on on a thread that may wait for the loops.
  Executor::Default().Post([state = shared_from_this()] { state->drained.Push(true); });
}

}  // namespace micro::rpc
