#include "due/locate/redis/redis_subscriber.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "core/async.h"
#include "core/backoff.h"
#include "core/log.h"
#include "core/status_macros.h"

namespace due {

namespace net = micro::net;
using micro::Context;
using micro::Task;
using Waiter = std::shared_ptr<micro::OneShot<bool>>;

// The loop's side. Used on the loop's thread alone.
class RedisSubscriber::Line : public std::enable_shared_from_this<Line> {
 public:
  Line(std::shared_ptr<const RedisSettings> settings, Callbacks callbacks)
      : loop_(net::Loops::Default().Next()),
        settings_(std::move(settings)),
        callbacks_(std::move(callbacks)) {
    std::tie(life_, end_) = WithCancel(Context());
  }

  net::Loop& loop() { return loop_; }

  void Subscribe(const std::string& channel, Waiter waiter) {
    const auto [place, is_new] = channels_.try_emplace(channel);
    if (place->second.confirmed) {
      waiter->TrySet(true);
      return;
    }
    if (is_new && connection_) SendSubscribe(channel);
    if (!std::exchange(running_, true)) Run(shared_from_this());
    if (!down_.ok()) {
      waiter->TrySet(Anew(down_));
    } else {
      place->second.waiters.push_back(std::move(waiter));
    }
  }

  void Close() {
    down_ = settings_->Unavailable("the locator was closed");
    closed_ = true;
    end_();
    if (connection_) connection_->Close("the locator was closed");
    FailWaiters();
  }

 private:
  struct Channel {
    bool confirmed = false;
    std::vector<Waiter> waiters = {};
  };

  static micro::internal::Detached Run(std::shared_ptr<Line> self) {
    micro::Backoff backoff;
    while (!self->closed_) {
      auto opened = co_await RedisConnection::Open(self->loop_, self->settings_);
      if (self->closed_) break;
      if (opened.ok()) {
        co_await Use(self, *std::move(opened));
      } else {
        self->down_ = opened.status();
        self->FailWaiters();
      }
      if (const absl::Duration pause = backoff.Next(); pause > absl::ZeroDuration())
        static_cast<void>(co_await Sleep(self->life_, pause));
      co_await self->loop_.Enter();
    }
  }

  // Until the connection is lost.
  static Task<void> Use(std::shared_ptr<Line> self, std::shared_ptr<RedisConnection> connection) {
    self->down_ = absl::OkStatus();
    self->connection_ = connection;
    connection->OnSilence([connection = std::weak_ptr(connection)] {
      if (const auto alive = connection.lock()) RedisConnection::Send(alive, ToBytes({"PING"}));
    });
    for (const auto& [channel, state] : self->channels_) self->SendSubscribe(channel);
    absl::StatusOr<RedisReply> reply;
    while ((reply = co_await RedisConnection::Read(connection)).ok()) self->Take(*reply);
    self->connection_ = nullptr;
    for (auto& [channel, state] : self->channels_)
      self->missed_ |= std::exchange(state.confirmed, false);
    if (!self->closed_) {
      micro::log::Warn("the subscription to the locator's Redis is lost; it is made again",
                       {{"address", self->settings_->address}, {"error", reply.status()}});
    }
  }

  void SendSubscribe(const std::string& channel) {
    RedisConnection::Send(connection_, ToBytes({"SUBSCRIBE", channel}));
  }

  // ["message", channel, text], ["subscribe", channel, number], ["pong", ""], or an error.
  void Take(const RedisReply& reply) {
    if (reply.type == RedisReply::kError)
      return connection_->Close(std::string(settings_->Refusal(reply).message()));
    if (reply.elements.size() != 3) return;
    const std::string& kind = reply.elements[0].text;
    const std::string& channel = reply.elements[1].text;
    if (kind == "message") return callbacks_.message(channel, reply.elements[2].text);
    if (kind == "subscribe") Confirm(channel);
  }

  void Confirm(const std::string& name) {
    const auto channel = channels_.find(name);
    if (channel == channels_.end()) return;
    channel->second.confirmed = true;
    const auto waiters = std::exchange(channel->second.waiters, {});
    const bool all = std::all_of(channels_.begin(), channels_.end(),
                                 [](const auto& entry) { return entry.second.confirmed; });
    if (all && std::exchange(missed_, false)) callbacks_.missed();
    for (const Waiter& waiter : waiters) waiter->TrySet(true);
  }

  void FailWaiters() {
    std::vector<Waiter> all;
    for (auto& [channel, state] : channels_) {
      for (Waiter& waiter : std::exchange(state.waiters, {})) all.push_back(std::move(waiter));
    }
    for (const Waiter& waiter : all) waiter->TrySet(Anew(down_));
  }

  net::Loop& loop_;
  const std::shared_ptr<const RedisSettings> settings_;
  const Callbacks callbacks_;
  Context life_;
  micro::CancelFunction end_;
  std::shared_ptr<RedisConnection> connection_;  // while there is one
  std::map<std::string, Channel> channels_;
  absl::Status down_;  // why Redis cannot be reached
  bool missed_ = false;
  bool running_ = false;
  bool closed_ = false;
};

RedisSubscriber::RedisSubscriber(std::shared_ptr<const RedisSettings> settings, Callbacks callbacks)
    : settings_(std::move(settings)),
      line_(std::make_shared<Line>(settings_, std::move(callbacks))) {}

RedisSubscriber::~RedisSubscriber() {
  line_->loop().Post([line = line_] { line->Close(); });
}

Task<absl::Status> RedisSubscriber::Subscribe(Context ctx, std::string channel) {
  CO_RETURN_IF_ERROR(ctx.status());
  const Context limited = WithTimeout(ctx, settings_->timeout);
  const std::shared_ptr<const RedisSettings> settings = settings_;
  const auto waiter = std::make_shared<micro::OneShot<bool>>();
  line_->loop().Post([line = line_, channel, waiter] { line->Subscribe(channel, waiter); });
  const absl::StatusOr<bool> subscribed = co_await Await(limited, waiter);
  if (absl::IsDeadlineExceeded(subscribed.status()) && ctx.deadline() > limited.deadline()) {
    co_return settings->Unavailable(
        fmt::format("no answer in {}", absl::FormatDuration(settings->timeout)));
  }
  co_return subscribed.status();
}

}  // namespace due
