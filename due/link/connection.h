// A LinkConnection is one that a LinkServer has taken; a LinkServerLoop what those of one loop have
// in common. Internal.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "core/net/deadlines.h"
#include "core/net/socket.h"
#include "core/net/turn.h"
#include "due/link/server.h"
#include "due/link/stream.h"

namespace due {

class LinkServerLoop final : public micro::net::Turn {
 public:
  using Turn::Turn;

  // On the loop.
  std::unordered_set<std::shared_ptr<LinkConnection>> connections;
  bool is_closed = false;
  std::vector<int64_t> targets;  // of the request that is read

  // Written on the loop, read anywhere.
  std::atomic<int64_t> probes = 0, frames_in = 0, heartbeats = 0, answers = 0, late = 0,
                       orphaned = 0, unanswered = 0, unknown = 0, malformed = 0;
  std::array<std::atomic<int64_t>, kLinkEnds> ended = {};
};

class LinkConnection final : public LinkStream::Owner,
                             public std::enable_shared_from_this<LinkConnection> {
 public:
  // `on_gone` is called at its end, on the loop. The handler is called until then.
  LinkConnection(std::unique_ptr<micro::net::Socket> socket, std::shared_ptr<LinkServerLoop> loop,
                 std::shared_ptr<const LinkServerOptions> options, LinkHandler& handler,
                 std::function<void()> on_gone);

  void Start();  // on the loop, as is what follows

  // Heeds no more requests, and ends once those that came are answered; with `force` at once.
  void End(bool force);

  // From any thread: for LinkReply.
  void Answer(link::Route route, uint64_t seq, link::Response response, absl::Time came,
              bool is_from_handler);

  std::optional<LinkEnd> OnBytes(std::string_view& bytes) override;
  void OnWritten(int64_t frames, int64_t bytes) override;
  void OnEnd(LinkEnd end) override;

 private:
  class Answered;

  void OnFrame(const link::Frame& frame);
  void Put(link::Route route, uint64_t seq, link::Response response, absl::Time came);
  void WatchForSilence();
  bool IsFull() const;
  void ReadOn();

  const std::shared_ptr<LinkServerLoop> loop_;
  const std::shared_ptr<const LinkServerOptions> options_;
  LinkHandler& handler_;
  const std::shared_ptr<LinkStream> stream_;
  std::function<void()> on_gone_;
  std::shared_ptr<const LinkPeer> peer_;  // replaced by a handshake alone
  int unanswered_ = 0;
  bool is_ending_ = false;
  micro::net::Deadline silence_;
};

}  // namespace due
