// A NatsPeer takes part in the conversation of go-micro's NATS registries for one registry object: it
// answers for what was registered, asks others, and tells watchers what others say of themselves.
//
// All methods may be called from any thread; only Close waits.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/async.h"
#include "core/mutex.h"
#include "core/nats/nats_connection.h"
#include "registry/event_feed.h"
#include "registry/nats/nats_answers.h"
#include "registry/nats/nats_records.h"
#include "registry/registry.h"

namespace micro::registry {

// One question to all peers.
struct NatsLookup {
  std::string token;                      // the last part of the subject that is answered to
  nats::Receipt asked;                    // of the question
  std::shared_ptr<OneShot<bool>> closed;  // set, with an error, when the peer goes
};

// One registration, and whether the server has heard of it.
struct NatsRegistration {
  uint64_t number;
  nats::Receipt told;
};

// What NATS calls back holds it weakly.
class NatsPeer : public std::enable_shared_from_this<NatsPeer> {
 public:
  // INVALID_ARGUMENT, naming the flag: an option that cannot be used.
  static absl::StatusOr<std::shared_ptr<NatsPeer>> Make(const Options& options);

  // Answers for a record from now on, until its TTL has passed (zero: without end), and tells the
  // others: now, and again when there is a connection after there was none.
  NatsRegistration Register(const Service& service, absl::Duration ttl);
  nats::Receipt Deregister(const Service& service);

  // Takes back what was new with a registration, and says so.
  void Withdraw(const Service& service, const NatsRegistration& registration);

  // As Deregister, without a word.
  void Forget(const Service& service);

  // Asks for a service, all when `service` is empty. Answers are gathered until they are taken.
  NatsLookup Ask(const std::string& service);
  std::vector<Service> TakeAnswers(const NatsLookup& lookup);

  std::unique_ptr<Watcher> Watch(const WatchOptions& options);

  // For all that was done before.
  nats::Receipt Flush() { return connection_->Flush(); }

  // Tells the others that its records go, and ends lookups, watchers and the connection.
  void Close();

 private:
  struct Pending {
    NatsAnswers answers;
    std::shared_ptr<OneShot<bool>> closed;
    bool full = false;
  };
  using Handler = void (NatsPeer::*)(const nats::Message&);

  explicit NatsPeer(const std::string& prefix);

  void Subscribe(bool& subscribed, std::string subject, Handler handler)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Tell(Action action, const Service& service) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellAll(Action action);
  void Expire();
  void OnQuery(const nats::Message& message);
  void OnAnswer(const nats::Message& message);
  void OnEvent(const nats::Message& message);
  void DropBadNodes(Service& service);
  void Complain(const absl::Status& status, std::string_view service, std::string_view node);

  const std::string query_subject_;
  const std::string watch_subject_;
  const std::string inbox_;  // what the subjects that are answered to begin with
  std::unique_ptr<nats::Connection> connection_;
  EventFeed feed_;

  // Also held while messages are queued, so that they go out in the order of what they tell.
  Mutex mutex_;
  bool hears_queries_ ABSL_GUARDED_BY(mutex_) = false;
  bool hears_answers_ ABSL_GUARDED_BY(mutex_) = false;
  bool hears_events_ ABSL_GUARDED_BY(mutex_) = false;
  NatsRecords records_ ABSL_GUARDED_BY(mutex_);
  uint64_t lookups_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, Pending, std::less<>> pending_ ABSL_GUARDED_BY(mutex_);  // by token
  absl::Time complains_again_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  int complaints_kept_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace micro::registry
