// A RedisConnection is one connection to Redis on one loop: commands out, replies in, in their order.
//
// Everything here is for the loop's thread. A Redis that says nothing is asked for a sign of life
// after each `timeout`, and left when it gives none in another.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/net/deadlines.h"
#include "core/net/loops.h"
#include "core/net/socket.h"
#include "core/task.h"
#include "due/locate/redis/redis_wire.h"

namespace due {

// Where Redis is, and who asks.
struct RedisSettings {
  std::string address = {};
  std::shared_ptr<const micro::net::Tls> tls = {};  // null: none
  std::string username = {}, password = {};
  int db = 0;
  absl::Duration timeout = absl::Seconds(3);

  // UNAVAILABLE, with the address.
  absl::Status Unavailable(std::string_view why) const;

  // What an error of Redis's means: UNAVAILABLE where it passes (it loads, it is a replica),
  // PERMISSION_DENIED where the user or password is not right, else INTERNAL. With the address.
  absl::Status Refusal(const RedisReply& error) const;
};

// A status of its own, for another thread: copies share a count that tsan does not see, as Debian's
// abseil is not instrumented.
inline absl::Status Anew(const absl::Status& status) {
  return absl::Status(status.code(), status.message());
}

class RedisConnection {
 public:
  // Connects, says who asks and chooses the database. Errors are those of RedisSettings.
  static micro::Task<absl::StatusOr<std::shared_ptr<RedisConnection>>> Open(
      micro::net::Loop& loop, std::shared_ptr<const RedisSettings> settings);

  RedisConnection(micro::net::Loop& loop, std::shared_ptr<const RedisSettings> settings,
                  std::unique_ptr<micro::net::Socket> socket);

  // Writes what ToBytes has made; together with all else that is sent in this turn of the loop.
  static void Send(const std::shared_ptr<RedisConnection>& self, std::string_view bytes);

  // The next reply. UNAVAILABLE: the connection is lost. One at a time.
  static micro::Task<absl::StatusOr<RedisReply>> Read(std::shared_ptr<RedisConnection> self);

  // Sends PING, when Redis has been silent: the reply is Read as all others. Without, a silent Redis
  // is left.
  void OnSilence(std::function<void()> ping) { ping_ = std::move(ping); }

  void Close(std::string_view why);

 private:
  static void Flush(const std::shared_ptr<RedisConnection>& self);
  static void Watch(const std::shared_ptr<RedisConnection>& self);
  static micro::Task<absl::Status> Greet(std::shared_ptr<RedisConnection> self);

  micro::net::Loop& loop_;
  const std::shared_ptr<const RedisSettings> settings_;
  const std::unique_ptr<micro::net::Socket> socket_;
  micro::net::Deadlines deadlines_;
  micro::net::Deadline silence_;
  std::function<void()> ping_;
  bool heard_ = true;
  bool pinged_ = false;
  absl::Status closed_;
  RedisReader reader_;
  std::vector<char> buffer_;
  std::string unsent_, sending_;
  bool flush_posted_ = false;
  bool writing_ = false;
};

}  // namespace due
