// An EtcdObserver follows the records below one key and tells watchers what becomes of them.
//
// It begins with a listing and a watch from there. What it has told is what it knows, so that every
// event bears the record that came or went, and nothing is told twice. A watch that is lost is
// taken up where it ended when etcd still has that revision as it was seen; otherwise (it was
// compacted, or etcd lost its data) etcd is listed again, and what differs is told. While etcd
// cannot be reached nothing is, and an etcd that lost its data is not believed at once: nodes that
// it does not have any more are told to be gone only when they have not come back within a grace
// period, in which services register themselves again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/task.h"
#include "registry/etcd/etcd_client.h"
#include "registry/etcd/etcd_reader.h"
#include "registry/event_feed.h"
#include "registry/registry.h"

namespace micro::registry {

class EtcdObserver {
 public:
  // Of one service, or of all (an empty name). The client and reader outlive it; `life` ends it.
  EtcdObserver(EtcdClient& client, EtcdReader& reader, std::string service, Context life,
               absl::Duration grace);

  // Lists and opens the watch. Errors as the client's, and PERMISSION_DENIED.
  Task<absl::Status> Begin(Context ctx);

  // A watcher of what comes after Begin, made before Run.
  std::unique_ptr<Watcher> NewWatcher() { return feed_.Watch({}); }

  // Follows until `life` ends. Keeps itself alive.
  static Task<void> Run(std::shared_ptr<EtcdObserver> self);

 private:
  // What etcd had at a key.
  struct Seen {
    int64_t mod_revision = 0;
    size_t value_hash = 0;
    std::optional<Service> service;  // nothing: of no use
  };
  using Records = std::map<std::string, Seen>;

  Task<absl::StatusOr<etcd::RangeResponse>> List(Context ctx, int64_t revision);
  Task<absl::Status> Open(Context ctx);
  Task<absl::Status> Resume();
  Task<absl::Status> Follow();

  Seen See(const etcd::KeyValue& entry);
  Records SeeAll(const etcd::RangeResponse& listing);
  bool IsWhatWasSeen(const etcd::RangeResponse& listing) const;
  void Replace(Records records, bool lost);
  std::optional<Service> TakeDoubted(const std::string& key);
  void EndDoubts();
  void Apply(const etcd::Event& event);
  void Tell(const std::optional<Service>& before, const std::optional<Service>& now);

  EtcdClient& client_;
  EtcdReader& reader_;
  const std::string service_;
  const std::string key_;  // what the keys begin with
  const Context life_;
  const absl::Duration grace_;
  EventFeed feed_;
  Records seen_;
  std::map<std::string, Service> doubted_;  // by key: what an etcd that lost its data had
  absl::Time doubts_end_ = absl::InfinitePast();
  int64_t revision_ = 0;  // up to which everything has been told
  std::unique_ptr<EtcdClient::WatchStream> stream_;
};

}  // namespace micro::registry
