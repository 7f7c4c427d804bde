// An MdnsPeer takes part in multicast DNS for one registry: it holds the sockets, answers for the
// nodes that were registered, asks for others, and tells watchers what is announced.
//
// One thread, started by the first use, serves it; registry/mdns/README.md shows how the parts fit.
// All methods may be called from any thread; none of them waits.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/async.h"
#include "core/mutex.h"
#include "registry/event_feed.h"
#include "registry/mdns/mdns_link.h"
#include "registry/mdns/mdns_observer.h"
#include "registry/mdns/mdns_responder.h"

namespace micro::registry {

// One question to the network, and what was answered to it.
class MdnsLookup {
 public:
  // Ends at the end of its window, and with UNAVAILABLE when the peer goes first. Then, and not
  // before, the rest may be read.
  Task<absl::StatusOr<bool>> Wait(Context ctx) { return Await(std::move(ctx), done_); }

  const std::map<std::string, Instance>& instances() const { return instances_; }
  const std::set<std::string>& listed() const { return listed_; }

 private:
  friend class MdnsPeer;

  void Add(const Instance& instance);

  std::string question_;  // a domain name
  std::string packet_;
  absl::Time asks_again_;  // if nobody has answered
  absl::Time ends_;
  bool answered_ = false;
  size_t bytes_ = 0;                           // of the instances
  std::map<std::string, Instance> instances_;  // by name: a node answers once for each interface
  std::set<std::string> listed_;
  std::set<std::string> asked_for_;  // instances whose answers lacked a part
  const std::shared_ptr<OneShot<bool>> done_ = std::make_shared<OneShot<bool>>();
};

class MdnsPeer {
 public:
  // `interfaces`: names or addresses; empty: all.
  explicit MdnsPeer(std::vector<std::string> interfaces);

  // Takes leave of all nodes.
  ~MdnsPeer();

  // As Registry's methods do; Start's error when there is no network.
  absl::Status Register(const Service& service, absl::Duration ttl);
  void Deregister(const Service& service);
  absl::StatusOr<std::unique_ptr<Watcher>> Watch(const WatchOptions& options);

  // Asks for a domain name ("greeter.micro.") and gathers answers for `window`.
  absl::StatusOr<std::shared_ptr<MdnsLookup>> Lookup(const std::string& name,
                                                     absl::Duration window);

 private:
  using Links = std::vector<std::shared_ptr<MdnsLink>>;

  absl::Status Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status FindLinks() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Multicast(const std::vector<std::string>& packets) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Ask(const std::string& name, uint16_t type) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake();

  // On the thread.
  void Run();
  absl::Time DoDue(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AdvanceLookups(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Receive(const MdnsLink& link, std::string_view packet, const sockaddr_in& from,
               bool multicast);
  void TellLookups(const Announced& announced) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TellWatchers(const Announced& announced, bool multicast)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::vector<std::string> interfaces_;
  int wake_ = -1;  // an eventfd
  std::thread thread_;
  EventFeed feed_;

  // Also held while packets are sent, so that an announcement never follows a leave.
  Mutex mutex_;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Links links_ ABSL_GUARDED_BY(mutex_);
  absl::Time links_found_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  MdnsResponder responder_ ABSL_GUARDED_BY(mutex_);
  MdnsObserver observer_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<MdnsLookup>> lookups_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace micro::registry
