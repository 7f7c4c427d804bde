// A Link is what a Connection shares with its thread, which makes all calls to libnats: it seeks a
// server, carries out what is queued, and seeks another when it has lost that one.
//
// All methods may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/async.h"
#include "core/mutex.h"
#include "core/nats/nats_address.h"
#include "core/nats/nats_connection.h"
#include "core/nats/nats_session.h"

namespace micro::nats {

class Connection::Link : public std::enable_shared_from_this<Link> {
 public:
  using Done = std::shared_ptr<OneShot<bool>>;

  struct Command {
    std::function<absl::Status(Session&)> work = nullptr;
    size_t bytes = 0;
    Done done = nullptr;  // null: nobody waits
  };

  Link(ConnectionOptions options, std::vector<Address> addresses);

  void Subscribe(Subscription subscription);

  // Queues `command`, if there is a server to hope for, and starts the thread for the first one.
  void Enqueue(Command command);

  // How long who waits for a command has to: a whole turn over the servers may come first.
  absl::Duration limit() const { return options_.patience * (addresses_.size() + 2); }

  void Close();

 private:
  // On the thread.
  void Run();
  absl::StatusOr<std::unique_ptr<Session>> Connect();
  absl::Status SubscribeTo(Session& session);
  absl::Status Serve(Session& session);
  absl::Status Carry(Session& session, const std::deque<Command>& commands);
  void GiveUp(const absl::Status& status);
  bool Pause(absl::Duration pause);
  bool closing();

  void OnLost(uint64_t session, absl::Status status);

  const ConnectionOptions options_;
  const std::vector<Address> addresses_;
  const std::string flag_;

  // Of the thread.
  size_t next_address_;
  std::string address_;       // that it is connected to
  uint64_t sessions_ = 0;     // so far
  bool unconfirmed_ = false;  // something was sent that the server may not have yet
  bool had_none_ = false;     // since a connection was lost or could not be made

  Mutex mutex_;
  CondVar changed_;
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool full_ ABSL_GUARDED_BY(mutex_) = false;         // the log knows
  absl::Status unreachable_ ABSL_GUARDED_BY(mutex_);  // since all servers were tried in vain
  bool pausing_ ABSL_GUARDED_BY(mutex_) = false;      // before they are tried again
  absl::Time asks_again_ ABSL_GUARDED_BY(mutex_);     // who asks from then on ends the pause
  uint64_t lost_session_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status lost_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<const Subscription>> subscriptions_ ABSL_GUARDED_BY(mutex_);
  std::deque<Command> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace micro::nats
