// A LinkPool is our links to all other gates and nodes, by address.
//
//   LinkPool pool({.kind = link::InstanceKind::kNode, .id = "n1"});
//   RETURN_IF_ERROR(pool.Get(address)->Send(cid, push));
//
// Any thread. Mirrors due's cache of link clients; unlike it, it forgets who has gone.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/time/time.h"
#include "core/context.h"
#include "core/mutex.h"
#include "core/net/loops.h"
#include "core/task.h"
#include "due/link/client.h"
#include "due/link/counts.h"

namespace due {

class LinkPool {
 public:
  // The options have been checked; `loops` outlive it.
  explicit LinkPool(LinkClientOptions options,
                    micro::net::Loops& loops = micro::net::Loops::Default());

  // The links to `address`, made when they are asked for first. Takes a lock: who sends often keeps
  // it. After Close one that takes nothing.
  std::shared_ptr<LinkClient> Get(const std::string& address);

  // The peer has gone: what waits for it is written within `grace` or dropped, and who still holds
  // its client gets FAILED_PRECONDITION. Nothing, if there are no links to it.
  void Drop(const std::string& address, absl::Duration grace = absl::Seconds(3));

  // Of all clients, those that were dropped included.
  LinkClientCounts counts() const;

  // Closes all. As LinkClient::Close.
  micro::Task<void> Close(micro::Context ctx);

 private:
  const std::shared_ptr<const LinkClientOptions> options_;
  const std::shared_ptr<LinkTurns> turns_;
  mutable micro::Mutex mutex_;
  bool is_closed_ ABSL_GUARDED_BY(mutex_) = false;
  std::unordered_map<std::string, std::shared_ptr<LinkClient>> clients_ ABSL_GUARDED_BY(mutex_);
  LinkClientCounts dropped_ ABSL_GUARDED_BY(mutex_);  // of those that have gone
};

}  // namespace due
