// The MdnsObserver knows the nodes that announcements told of, and turns announcements into events
// without doubles: a node appears, changes, takes its leave, or is no longer heard of.
//
// Before a node's TTL has passed it is asked for: go-micro's own registry announces once and for
// all, but answers. It neither sends nor waits: the caller does, on its own clock and under its own
// lock.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "registry/mdns/mdns_record.h"
#include "registry/registry.h"

namespace micro::registry {

class MdnsObserver {
 public:
  // The most nodes that are remembered, within kMaxInstancesBytes; of more, none is told of.
  static constexpr size_t kMaxNodes = 10000;

  // An announcement was multicast: what watchers are told of it.
  std::vector<Event> OnAnnounced(const Instance& instance, absl::Time now);

  // An answer came to somebody's question. It is no news, but proves that the node is there.
  void OnAnswered(const Instance& instance, absl::Time now);

  struct Due {
    std::vector<Event> events;     // nodes that were not heard of within their TTL
    std::vector<std::string> ask;  // instance names to ask for
  };
  Due TakeDue(absl::Time now);

  // When TakeDue has something to do.
  absl::Time next_due() const;

  void Clear();

 private:
  struct Seen {
    Service service;
    size_t bytes = 0;
    absl::Time heard;
    absl::Duration ttl;
    int asked = 0;  // how often since it was heard of
    bool told =
        false;  // watchers know it; one that was answered before it was announced they do not
    bool gone = false;  // remembered for a moment, to know late copies of its leave
    absl::Time due;     // of the next question, or of its end
  };

  bool HasRoomFor(const Instance& instance) const;  // also in place of what is known of it
  Service Replace(Seen& seen, Service service, size_t bytes);
  void Hear(const Instance& instance, absl::Time now, Seen& seen);
  void SetDue(const std::string& name, Seen& seen, absl::Time due);

  std::map<std::string, Seen> seen_;                     // by instance name
  std::set<std::pair<absl::Time, std::string>> by_due_;  // the same, by Seen::due
  size_t bytes_ = 0;                                     // of all that is seen
};

}  // namespace micro::registry
