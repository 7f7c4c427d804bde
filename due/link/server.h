// A LinkServer takes the links of other gates and nodes: their connections ask, it answers.
//
//   class Gate : public LinkHandler {
//     void Handle(const std::shared_ptr<const LinkPeer>& peer, const link::Request& request,
//                 LinkReply reply) override {
//       if (const auto* push = std::get_if<link::Push>(&request)) return reply.Done(Write(*push));
//       …                                     // a coroutine may keep `reply`, and answer later
//     }
//   };
//   ASSIGN_OR_RETURN(auto server, LinkServer::Listen({.address = "127.0.0.1:0"}, gate));
//   …
//   co_await server->Stop(ctx);
//
// A connection stays on its loop: its requests come there in the order of their arrival, and what
// is answered in one turn of the loop goes out in one write. Who has not shaken hands is served,
// too. Mirrors due's link servers, without their quirks: sizes are bounded, who reads nothing holds
// up nobody else, and no answer comes so late that it would block a caller in Go (reference/due.md
// §15.1).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/net/loops.h"
#include "core/task.h"
#include "due/link/counts.h"
#include "due/link/frames.h"

namespace due {

class LinkConnection;

struct LinkServerOptions {
  std::string address = ":0";                  // port 0: a free one
  size_t frame_bytes = link::kMostFrameBytes;  // of a frame that is taken
  int max_connections = 10000;                 // more are closed as they come

  // Answers that wait to be written to a connection, and requests of it that wait for their answer:
  // while there are as many, what comes is not read.
  size_t write_queue_bytes = 4 << 20;
  int max_unanswered = 10000;

  // A connection that takes nothing of what waits for so long is closed.
  absl::Duration stall_timeout = absl::Seconds(30);

  // A connection from which nothing at all came for so long is closed; looked at each half of it.
  // Zero: none is.
  absl::Duration silence = absl::Seconds(20);

  // An answer is dropped when its request is older than that.
  absl::Duration answer_within = absl::Milliseconds(2500);

  // INVALID_ARGUMENT names the option that has no meaning.
  absl::Status Check() const;
};

// Who is at the other end of a connection. It never changes; who shakes hands is another.
struct LinkPeer {
  link::InstanceKind kind = {};  // 0: it has not shaken hands
  std::string id = {};
  std::string remote = {};  // "10.0.0.7:41234"
};

// Takes the answer to one request: once, from any thread. Not answered at all, it answers with an
// internal error when it goes. Of a request without seq it does nothing.
class LinkReply {
 public:
  LinkReply() = default;
  LinkReply(LinkReply&& other) noexcept = default;
  LinkReply& operator=(LinkReply&& other) noexcept;
  ~LinkReply();

  // Whether the caller waits for it.
  bool is_wanted() const { return connection_ != nullptr; }

  // The answer; more of them do nothing.
  void Done(link::Response response);
  void Done(link::Code code, uint64_t value = 0) { Done({.code = code, .value = value}); }

 private:
  friend class LinkConnection;
  LinkReply(std::shared_ptr<LinkConnection> connection, link::Route route, uint64_t seq,
            absl::Time came);

  std::shared_ptr<LinkConnection> connection_;
  link::Route route_ = {};
  uint64_t seq_ = 0;
  absl::Time came_;
};

// What is to happen with requests.
class LinkHandler {
 public:
  virtual ~LinkHandler() = default;

  // On the connection's loop, which must not be blocked. Never a Handshake, which is answered
  // already. Texts and targets of the request lie in what was read, and are gone when this returns.
  // Its session kind, event or state is one of those that there are.
  virtual void Handle(const std::shared_ptr<const LinkPeer>& peer, const link::Request& request,
                      LinkReply reply) = 0;
};

class LinkServer {
 public:
  // INVALID_ARGUMENT names an option; UNAVAILABLE: the address is taken, or not this machine's.
  // `handler` and `loops` outlive the server.
  static absl::StatusOr<std::unique_ptr<LinkServer>> Listen(
      LinkServerOptions options, LinkHandler& handler,
      micro::net::Loops& loops = micro::net::Loops::Default());

  // Ends all connections at once. Not on a loop's thread.
  virtual ~LinkServer() = default;

  virtual int port() const = 0;
  virtual LinkServerCounts counts() const = 0;  // from any thread

  // Takes no more connections and requests, and ends the connections: once what was asked is
  // answered and written, or when `ctx` ends. The handler is not called any more afterwards. Goes
  // on on no loop's thread, and is not to be waited for on one.
  virtual micro::Task<void> Stop(micro::Context ctx) = 0;
};

}  // namespace due
