#include "due/locate/redis/redis_connection.h"

#include <fmt/format.h>

#include <coroutine>
#include <utility>

#include "core/async.h"
#include "core/clock.h"
#include "core/status_macros.h"

namespace due {

namespace net = micro::net;
using micro::Task;

namespace {

constexpr size_t kReadSize = 16 << 10;

struct ReadResult {
  absl::Status status;
  size_t count = 0;
};

// co_await ReadSome{socket, buffer}: what Socket::Read calls back with.
struct ReadSome {
  net::Socket& socket;
  std::vector<char>& buffer;
  ReadResult result = {};

  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) {
    socket.Read(buffer.data(), buffer.size(), [this, waiter](absl::Status status, size_t count) {
      result = {std::move(status), count};
      waiter.resume();
    });
  }
  ReadResult await_resume() { return std::move(result); }
};

using Connected = micro::OneShot<std::unique_ptr<net::Socket>>;

}  // namespace

absl::Status RedisSettings::Unavailable(std::string_view why) const {
  return absl::UnavailableError(fmt::format("the locator's Redis at {}: {}", address, why));
}

absl::Status RedisSettings::Refusal(const RedisReply& error) const {
  const std::string_view text = error.text;
  for (const char* passing :
       {"LOADING", "MASTERDOWN", "READONLY", "TRYAGAIN", "CLUSTERDOWN", "BUSY", "OOM", "MISCONF"}) {
    if (text.starts_with(passing)) return Unavailable(text);
  }
  const std::string message = fmt::format("the locator's Redis at {}: {}", address, text);
  for (const char* access : {"NOAUTH", "WRONGPASS", "NOPERM", "ERR AUTH", "ERR invalid password"}) {
    if (text.starts_with(access)) return absl::PermissionDeniedError(message);
  }
  return absl::InternalError(message);
}

Task<absl::StatusOr<std::shared_ptr<RedisConnection>>> RedisConnection::Open(
    net::Loop& loop, std::shared_ptr<const RedisSettings> settings) {
  const auto connected = std::make_shared<Connected>();
  net::Connect(loop, settings->address, settings->tls, settings->timeout,
               [connected](absl::StatusOr<std::unique_ptr<net::Socket>> socket) {
                 connected->TrySet(std::move(socket));
               });
  absl::StatusOr<std::unique_ptr<net::Socket>> socket = co_await connected->Wait();
  if (absl::IsUnavailable(socket.status()))
    co_return settings->Unavailable(std::string(socket.status().message()));
  CO_RETURN_IF_ERROR(socket.status());
  auto self = std::make_shared<RedisConnection>(loop, settings, *std::move(socket));
  Watch(self);
  CO_RETURN_IF_ERROR(co_await Greet(self));
  co_return self;
}

RedisConnection::RedisConnection(net::Loop& loop, std::shared_ptr<const RedisSettings> settings,
                                 std::unique_ptr<net::Socket> socket)
    : loop_(loop),
      settings_(std::move(settings)),
      socket_(std::move(socket)),
      deadlines_(loop),
      buffer_(kReadSize) {}

Task<absl::Status> RedisConnection::Greet(std::shared_ptr<RedisConnection> self) {
  const RedisSettings& settings = *self->settings_;
  std::vector<RedisCommand> commands;
  if (!settings.username.empty()) {
    commands.push_back({"AUTH", settings.username, settings.password});
  } else if (!settings.password.empty()) {
    commands.push_back({"AUTH", settings.password});
  }
  if (settings.db != 0) commands.push_back({"SELECT", fmt::format("{}", settings.db)});
  commands.push_back({"PING"});  // refused where a password is missing
  for (const RedisCommand& command : commands) {
    Send(self, ToBytes(command));
    CO_ASSIGN_OR_RETURN(const RedisReply reply, co_await Read(self));
    if (reply.type != RedisReply::kError) continue;
    const absl::Status refusal = settings.Refusal(reply);
    self->Close("it refused us");
    co_return refusal;
  }
  co_return absl::OkStatus();
}

void RedisConnection::Send(const std::shared_ptr<RedisConnection>& self, std::string_view bytes) {
  self->unsent_.append(bytes);
  if (self->writing_ || std::exchange(self->flush_posted_, true)) return;
  self->loop_.Post([self] {
    self->flush_posted_ = false;
    Flush(self);
  });
}

void RedisConnection::Flush(const std::shared_ptr<RedisConnection>& self) {
  if (self->writing_ || self->unsent_.empty() || !self->closed_.ok()) return;
  const size_t written = self->socket_->TryWrite(self->unsent_);
  self->unsent_.erase(0, written);
  if (self->unsent_.empty()) return;
  self->sending_.swap(self->unsent_);
  self->unsent_.clear();
  self->writing_ = true;
  self->socket_->Write(self->sending_, [self](absl::Status status) {
    self->writing_ = false;
    if (status.ok()) return Flush(self);
    self->Close(std::string(status.message()));
  });
}

Task<absl::StatusOr<RedisReply>> RedisConnection::Read(std::shared_ptr<RedisConnection> self) {
  while (self->closed_.ok()) {
    absl::StatusOr<std::optional<RedisReply>> reply = self->reader_.Next();
    if (!reply.ok()) {
      self->Close(std::string(reply.status().message()));
      break;
    }
    if (reply->has_value()) co_return **std::move(reply);
    const ReadResult read = co_await ReadSome{*self->socket_, self->buffer_};
    if (!read.status.ok()) {
      self->Close(std::string(read.status.message()));
      break;
    }
    self->heard_ = true;
    self->reader_.Feed({self->buffer_.data(), read.count});
  }
  co_return self->closed_;
}

// Looks once in each `timeout` whether something has come since.
void RedisConnection::Watch(const std::shared_ptr<RedisConnection>& self) {
  self->silence_.Set(self->deadlines_, micro::Clock::Real().Now() + self->settings_->timeout,
                     [weak = std::weak_ptr(self)] {
                       const auto self = weak.lock();
                       if (!self || !self->closed_.ok()) return;
                       if (std::exchange(self->heard_, false)) {
                         self->pinged_ = false;
                       } else if (self->pinged_ || !self->ping_) {
                         return self->Close(fmt::format(
                             "no answer in {}", absl::FormatDuration(self->settings_->timeout)));
                       } else {
                         self->pinged_ = true;
                         self->ping_();
                       }
                       Watch(self);
                     });
}

void RedisConnection::Close(std::string_view why) {
  if (!closed_.ok()) return;
  closed_ = settings_->Unavailable(why);
  silence_.Clear();
  ping_ = nullptr;
  socket_->Close();
}

}  // namespace due
