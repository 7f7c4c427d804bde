// What the tests of links share: bytes of frames, and peers that write and read bytes.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/async.h"
#include "core/mutex.h"
#include "core/net/socket_fixture.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "due/link/client.h"
#include "due/link/counts.h"
#include "due/link/frames.h"
#include "due/link/server.h"

namespace due {

using ::micro::BlockOn;
using ::micro::Context;
using ::micro::Eventually;
using ::micro::IsOk;
using ::micro::StatusIs;
using ::micro::net::BlockingSocket;
using ::testing::HasSubstr;

inline const std::string kHeartbeat("\0\0\0\x01\x80", 5);

inline std::string Asked(const link::Request& request, uint64_t seq = 0) {
  std::string bytes;
  EXPECT_THAT(link::Append(request, seq, bytes), IsOk());
  return bytes;
}
inline std::string Answered(link::Route route, uint64_t seq, link::Response response = {}) {
  std::string bytes;
  link::Append(route, seq, response, bytes);
  return bytes;
}

// Two loops, whatever machine this is.
inline micro::net::Loops& TwoLoops() {
  static micro::net::Loops& loops = *new micro::net::Loops(2);
  return loops;
}

// One connection of ours, as a peer sees it.
class RawLink {
 public:
  explicit RawLink(BlockingSocket socket) : socket_(std::move(socket)) {}

  BlockingSocket& socket() { return socket_; }

  // The next whole frame, size included; empty once the connection has ended.
  std::string Next() {
    while (true) {
      const size_t wanted = link::Wanted(bytes_);
      if (wanted > 0 && bytes_.size() >= wanted) {
        std::string frame = bytes_.substr(0, wanted);
        bytes_.erase(0, wanted);
        return frame;
      }
      if (is_over_) return "";
      const auto more = socket_.Read();
      is_over_ = !more.ok();
      if (more.ok()) bytes_ += *more;
    }
  }
  uint64_t NextSeq() {
    std::string_view frame = seen_ = Next();
    const auto taken = link::Take(frame);
    return taken.ok() && taken->has_value() ? (*taken)->seq : 0;
  }
  void Write(std::string bytes) { EXPECT_THAT(socket_.Write(std::move(bytes)), IsOk()); }

 private:
  BlockingSocket socket_;
  std::string bytes_, seen_;
  bool is_over_ = false;  // who reads on behind an end waits for ever
};

// Keeps what it is asked, and answers at once unless it is told to keep the answers too.
class RecordingHandler final : public LinkHandler {
 public:
  struct Asked {
    link::InstanceKind kind;
    std::string id, remote;
    link::Route route;
    int64_t number;  // cid or target
    std::string packet;
  };

  void Handle(const std::shared_ptr<const LinkPeer>& peer, const link::Request& request,
              LinkReply reply) override {
    Asked asked{peer->kind, peer->id, peer->remote, link::RouteOf(request), 0, ""};
    if (const auto* deliver = std::get_if<link::Deliver>(&request)) {
      asked.number = deliver->cid;
      asked.packet = deliver->packet;
    } else if (const auto* push = std::get_if<link::Push>(&request)) {
      asked.number = push->target;
      asked.packet = push->packet;
    } else if (const auto* bind = std::get_if<link::Bind>(&request)) {
      asked.number = bind->cid;
    }
    {
      micro::MutexLock lock(mutex_);
      asked_.push_back(std::move(asked));
      if (is_keeping_) {
        if (reply.is_wanted()) kept_.push_back(std::move(reply));
        return;
      }
    }
    reply.Done(link::Code::kOk, 1);
  }

  void Keep() {
    micro::MutexLock lock(mutex_);
    is_keeping_ = true;
  }
  std::vector<LinkReply> TakeKept() {
    micro::MutexLock lock(mutex_);
    return std::exchange(kept_, {});
  }
  size_t kept() const {
    micro::MutexLock lock(mutex_);
    return kept_.size();
  }
  std::vector<Asked> asked() const {
    micro::MutexLock lock(mutex_);
    return asked_;
  }
  size_t count() const {
    micro::MutexLock lock(mutex_);
    return asked_.size();
  }

 private:
  mutable micro::Mutex mutex_;
  bool is_keeping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Asked> asked_ ABSL_GUARDED_BY(mutex_);
  std::vector<LinkReply> kept_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace due
