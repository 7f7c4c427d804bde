#include "due/locate/redis/redis_client.h"

#include <fmt/format.h>

#include <deque>
#include <string>
#include <utility>

#include "core/async.h"
#include "core/backoff.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/status_macros.h"

namespace due {

namespace net = micro::net;
using micro::Context;
using micro::Task;

namespace {

constexpr size_t kMostAsked = 100'000;

// A command, and who waits for its reply.
struct Asked {
  std::string bytes = {};
  std::shared_ptr<micro::OneShot<RedisReply>> answer = {};  // null: nobody
  absl::Time until = absl::InfiniteFuture();
  bool repeated = false;

  void Answer(absl::StatusOr<RedisReply> reply) const {
    if (answer) answer->TrySet(std::move(reply));
  }
};

}  // namespace

// The loop's side: the connection, and what is asked on it. Used on the loop's thread alone.
class RedisClient::Line : public std::enable_shared_from_this<Line> {
 public:
  explicit Line(std::shared_ptr<const RedisSettings> settings)
      : loop_(net::Loops::Default().Next()), settings_(std::move(settings)) {
    std::tie(life_, end_) = WithCancel(Context());
  }

  net::Loop& loop() { return loop_; }

  void Ask(Asked asked) {
    if (!down_.ok()) return asked.Answer(Anew(down_));
    if (waiting_.size() + sent_.size() >= kMostAsked) {
      return asked.Answer(absl::ResourceExhaustedError(fmt::format(
          "{} commands wait for the locator's Redis at {}", kMostAsked, settings_->address)));
    }
    waiting_.push_back(std::move(asked));
    SendWaiting();
  }

  void Close() {
    down_ = settings_->Unavailable("the locator was closed");
    closed_ = true;
    end_();
    if (connection_) connection_->Close("the locator was closed");
    FailWaiting();
  }

  void Retry() {
    if (connection_ || closed_) return;
    down_ = absl::OkStatus();  // who asks now waits for the attempt
    is_retrying_ = true;
    if (const auto wake = std::exchange(wake_, nullptr)) wake();
  }

  static micro::internal::Detached Run(std::shared_ptr<Line> self) {
    micro::Backoff backoff;
    while (!self->closed_) {
      self->is_retrying_ = false;
      auto opened = co_await RedisConnection::Open(self->loop_, self->settings_);
      if (self->closed_) break;
      if (opened.ok()) {
        co_await Use(self, *std::move(opened));
      } else if (self->is_retrying_) {
        continue;
      } else {
        self->GoDown(opened.status());
      }
      if (const absl::Duration pause = backoff.Next(); pause > absl::ZeroDuration())
        co_await Pause(self, pause);
    }
  }

 private:
  static Task<void> Pause(std::shared_ptr<Line> self, absl::Duration pause) {
    auto [pausing, wake] = WithCancel(self->life_);
    self->wake_ = std::move(wake);
    static_cast<void>(co_await Sleep(pausing, pause));
    co_await self->loop_.Enter();  // Sleep goes on elsewhere
    self->wake_ = nullptr;
  }

  // Until the connection is lost.
  static Task<void> Use(std::shared_ptr<Line> self, std::shared_ptr<RedisConnection> connection) {
    if (std::exchange(self->is_away_, false))
      micro::log::Info("the locator's Redis is back", {{"address", self->settings_->address}});
    self->down_ = absl::OkStatus();
    self->connection_ = connection;
    connection->OnSilence([weak = self->weak_from_this()] {
      if (const auto self = weak.lock()) self->Ping();
    });
    self->SendWaiting();
    while (true) {
      absl::StatusOr<RedisReply> reply = co_await RedisConnection::Read(connection);
      if (!reply.ok()) {
        self->connection_ = nullptr;
        self->Lose(reply.status());
        co_return;
      }
      if (self->sent_.empty()) {
        connection->Close("a reply to no question");
        continue;
      }
      const Asked asked = std::move(self->sent_.front());
      self->sent_.pop_front();
      asked.Answer(*std::move(reply));
    }
  }

  void Ping() {
    sent_.push_back({.repeated = true});
    RedisConnection::Send(connection_, ToBytes({"PING"}));
  }

  void SendWaiting() {
    if (!connection_) return;
    const absl::Time now = waiting_.empty() ? absl::InfinitePast() : micro::Clock::Real().Now();
    for (; !waiting_.empty(); waiting_.pop_front()) {
      if (waiting_.front().until <= now) continue;  // nobody waits any more
      RedisConnection::Send(connection_, waiting_.front().bytes);
      sent_.push_back(std::move(waiting_.front()));
    }
  }

  // What was asked is asked again on the next connection, once.
  void Lose(const absl::Status& why) {
    for (; !sent_.empty(); sent_.pop_back()) {
      Asked& asked = sent_.back();
      if (closed_ || std::exchange(asked.repeated, true)) {
        failed_.push_back(std::move(asked));
      } else {
        waiting_.push_front(std::move(asked));
      }
    }
    if (!closed_) {
      micro::log::Warn("the connection to the locator's Redis is lost",
                       {{"address", settings_->address}, {"error", why}});
    }
    // Who is answered may ask again: not while we look at what waits.
    for (const Asked& asked : std::exchange(failed_, {})) asked.Answer(Anew(why));
  }

  void GoDown(const absl::Status& why) {
    if (!std::exchange(is_away_, true))
      micro::log::Warn("the locator's Redis cannot be reached; it is tried again",
                       {{"error", why}});
    down_ = why;
    FailWaiting();
  }

  void FailWaiting() {
    for (const Asked& asked : std::exchange(waiting_, {})) asked.Answer(Anew(down_));
  }

  net::Loop& loop_;
  const std::shared_ptr<const RedisSettings> settings_;
  Context life_;
  micro::CancelFunction end_;
  std::shared_ptr<RedisConnection> connection_;  // while there is one
  std::deque<Asked> waiting_;                    // to be sent
  std::deque<Asked> sent_;                       // in the order of their replies
  std::deque<Asked> failed_;
  absl::Status down_;           // why Redis cannot be reached
  bool is_away_ = false;        // what was logged last
  bool is_retrying_ = false;    // without a pause before
  micro::CancelFunction wake_;  // from a pause
  bool closed_ = false;
};

RedisClient::RedisClient(std::shared_ptr<const RedisSettings> settings)
    : settings_(std::move(settings)), line_(std::make_shared<Line>(settings_)) {
  line_->loop().Post([line = line_] { Line::Run(line); });
}

RedisClient::~RedisClient() {
  line_->loop().Post([line = line_] { line->Close(); });
}

void RedisClient::Retry() {
  line_->loop().Post([line = line_] { line->Retry(); });
}

Task<absl::StatusOr<RedisReply>> RedisClient::Call(Context ctx, RedisCommand command) {
  CO_RETURN_IF_ERROR(ctx.status());
  const Context limited = WithTimeout(ctx, settings_->timeout);
  const auto answer = std::make_shared<micro::OneShot<RedisReply>>();
  Asked asked = {.bytes = ToBytes(command), .answer = answer, .until = limited.deadline()};
  const std::shared_ptr<const RedisSettings> settings = settings_;  // the client may go meanwhile
  line_->loop().Post(
      [line = line_, asked = std::move(asked)]() mutable { line->Ask(std::move(asked)); });
  absl::StatusOr<RedisReply> reply = co_await Await(limited, answer);
  if (absl::IsDeadlineExceeded(reply.status()) && ctx.deadline() > limited.deadline()) {
    co_return settings->Unavailable(
        fmt::format("no answer in {}", absl::FormatDuration(settings->timeout)));
  }
  if (reply.ok() && reply->type == RedisReply::kError) co_return settings->Refusal(*reply);
  co_return reply;
}

}  // namespace due
