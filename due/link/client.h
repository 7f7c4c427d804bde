// A LinkClient is our connections to one other gate or node.
//
//   LinkClient client("10.0.0.7:41234", {.kind = link::InstanceKind::kGate, .id = "g1"});
//   RETURN_IF_ERROR(client.Send(cid, link::Deliver{.cid = cid, .uid = uid, .packet = packet}));
//   CO_ASSIGN_OR_RETURN(const link::Response bound,
//                       co_await client.Call(ctx, link::Bind{.cid = cid, .uid = uid}));
//   CO_RETURN_IF_ERROR(link::ToStatus(bound.code));
//
// A connection is opened with the first frame for it; frames wait for it meanwhile, and while one
// that was lost is opened again. What is sent in one turn of a loop goes out in one write. Each
// connection belongs to one loop: who sends there takes no lock, from elsewhere frames come over a
// list without locks. Everything here may be called from any thread. Mirrors due's link clients,
// without their quirks: calls of a lost connection fail at once, queues refuse instead of blocking.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/net/loops.h"
#include "core/task.h"
#include "due/link/counts.h"
#include "due/link/frames.h"

namespace due {

// How we dial other instances. Names and defaults are those of due's etc.cluster.*.
struct LinkClientOptions {
  // Who we are.
  link::InstanceKind kind = link::InstanceKind::kGate;
  std::string id = {};

  int conn_num = 5;  // to each peer

  // An attempt to connect, and how many there are in a row, 5 ms apart, then 10 ms … at most 1 s;
  // the wait for the peer's handshake.
  absl::Duration dial_timeout = absl::Seconds(3);
  int dial_retry_times = 3;
  absl::Duration handshake_timeout = absl::Seconds(3);

  absl::Duration call_timeout = absl::Seconds(3);  // of a call; zero: its context's alone
  absl::Duration heartbeat_interval = absl::Seconds(10);

  // A connection that takes nothing of what waits for so long is replaced.
  absl::Duration stall_timeout = absl::Seconds(30);

  // What may wait for one connection.
  int64_t write_queue_size = 16384;  // frames
  int64_t write_queue_bytes = 16 << 20;

  // How long the rest of an answer to Publish is waited for that may have none (frames.h).
  absl::Duration short_publish_wait = absl::Milliseconds(100);

  // INVALID_ARGUMENT names the option that has no meaning.
  absl::Status Check() const;
};

class LinkLine;
struct LinkShared;
class LinkTurns;

class LinkClient {
 public:
  // Nothing is dialled yet. `loops` outlive it, and the options have been checked.
  LinkClient(std::string address, LinkClientOptions options,
             micro::net::Loops& loops = micro::net::Loops::Default());

  // For LinkPool, whose clients write together.
  LinkClient(std::string address, std::shared_ptr<const LinkClientOptions> options,
             std::shared_ptr<LinkTurns> turns);

  // Ends all at once; frames that wait are dropped, calls fail. Waits for nothing.
  ~LinkClient();
  LinkClient(const LinkClient&) = delete;
  LinkClient& operator=(const LinkClient&) = delete;

  const std::string& address() const;

  // Queues a request that is not answered, on connection `key` mod conn_num; what the request lends
  // is copied. Requests with equal keys arrive in the order of Send, on one thread or on several
  // that pass it on. INVALID_ARGUMENT: as link::Append; RESOURCE_EXHAUSTED: as much waits as may;
  // UNAVAILABLE: the peer could not be reached a moment ago; FAILED_PRECONDITION: after Close. What
  // was queued may still be lost; counts() tells why.
  absl::Status Send(uint64_t key, const link::Request& request);

  // A key, always the same for `key`, whose connection is on this thread's loop, where there is
  // one: for who sends always on one loop, and so changes no thread on the way. Else `key` itself.
  uint64_t KeyHere(uint64_t key) const;

  // Asks, on one connection after the other, and waits for the answer; goes on on the connection's
  // loop, or on the caller's thread when it fails at once. What the request lends must live until
  // Call has been awaited first: it is copied then. The errors are Send's and those of `ctx`;
  // UNAVAILABLE: the connection was lost, or cannot be opened; DEADLINE_EXCEEDED: no answer within
  // call_timeout. An answer may say a code that is none of success.
  micro::Task<absl::StatusOr<link::Response>> Call(micro::Context ctx, link::Request request);

  // Takes no more, writes what waits, lets calls end, and ends the connections; when `ctx` ends at
  // once. Goes on on no loop's thread.
  micro::Task<void> Close(micro::Context ctx);

  // As Close, with nobody waiting; all has ended after `grace`.
  void CloseWithin(absl::Duration grace);

  LinkClientCounts counts() const;

 private:
  micro::Task<void> WaitForEnd(micro::Context ctx);

  const std::shared_ptr<LinkShared> shared_;
  std::vector<std::shared_ptr<LinkLine>> lines_;
  std::atomic<uint64_t> next_ = 0;  // of calls
  std::atomic<bool> is_closing_ = false;
};

}  // namespace due
