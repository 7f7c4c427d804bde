// A LinkLine is one of a LinkClient's connections: dialled when there is something to send, and
// again when it was lost. Internal.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/async.h"
#include "core/mutex.h"
#include "core/net/context_watch.h"
#include "core/net/deadlines.h"
#include "core/net/loops.h"
#include "core/net/socket.h"
#include "core/net/turn.h"
#include "due/link/client.h"
#include "due/link/stream.h"

namespace due {

// The turns of all loops, shared by clients, so that they write together.
class LinkTurns {
 public:
  explicit LinkTurns(micro::net::Loops& loops);

  size_t size() const { return turns_.size(); }
  const std::shared_ptr<micro::net::Turn>& operator[](size_t i) const { return turns_[i]; }

  // Where a client's first line is: one after the other.
  size_t NextPlace() { return next_.fetch_add(1, std::memory_order_relaxed); }

 private:
  std::vector<std::shared_ptr<micro::net::Turn>> turns_;
  std::atomic<size_t> next_ = 0;
};

// What the lines of a client share. Any thread.
struct LinkShared {
  LinkShared(std::string address, std::shared_ptr<const LinkClientOptions> options)
      : address(std::move(address)), options(std::move(options)) {}

  void Drop(LinkDrop why, int64_t frames) {
    dropped[static_cast<size_t>(why)].fetch_add(frames, std::memory_order_relaxed);
  }

  // A line has ended for ever.
  void LineEnded();

  const std::string address;
  const std::shared_ptr<const LinkClientOptions> options;

  std::atomic<uint64_t> last_seq = 1;  // 1 is a handshake's
  std::atomic<bool> is_unreachable = false;
  std::atomic<int64_t> opened = 0, failed = 0, open = 0, frames_out = 0, calls = 0, answered = 0,
                       unexpected = 0, short_publishes = 0;
  std::array<std::atomic<int64_t>, kLinkDrops> dropped = {};
  std::array<std::atomic<int64_t>, kLinkEnds> ended = {};

  micro::Mutex mutex;
  int lines ABSL_GUARDED_BY(mutex) = 0;  // that have not ended
  std::vector<std::shared_ptr<micro::OneShot<bool>>> waiters ABSL_GUARDED_BY(mutex);
};

class LinkLine final : public LinkStream::Owner, public std::enable_shared_from_this<LinkLine> {
 public:
  // A call on its way. It is answered on the loop.
  struct Call {
    micro::Context ctx = {};
    link::Route route = {};
    uint64_t seq = 0;
    micro::OneShot<link::Response> answer = {};
    std::optional<micro::net::ContextWatch> watch = std::nullopt;  // on the loop
  };

  LinkLine(std::shared_ptr<LinkShared> shared, std::shared_ptr<micro::net::Turn> turn);

  micro::net::Loop& loop() const { return turn_->loop(); }

  // From any thread. The errors are LinkClient's.
  absl::Status Send(const link::Request& request);
  absl::Status Ask(const link::Request& request, std::shared_ptr<Call> call);
  void Close(absl::Duration grace);  // all ends within that
  int64_t queued() const { return queued_frames_.load(std::memory_order_relaxed); }

  std::optional<LinkEnd> OnBytes(std::string_view& bytes) override;
  void OnWritten(int64_t frames, int64_t bytes) override;
  void OnEnd(LinkEnd end) override;

 private:
  class Parcel;
  enum class Is { kIdle, kPausing, kDialing, kShaking, kOpen, kEnded };

  absl::Status CheckOpen();
  absl::Status Submit(const link::Request& request, uint64_t seq, std::shared_ptr<Call> call);
  absl::Status Reserve(const link::Request& request, uint64_t seq, std::string& out);
  void Release(int64_t frames, int64_t bytes);

  // On the loop, as all that follows.
  void Take(std::string_view frame, std::shared_ptr<Call> call);
  void Refuse(std::string_view frame, const std::shared_ptr<Call>& call, LinkDrop why);
  void Expect(std::shared_ptr<Call> call);
  std::shared_ptr<Call> TakeCall(uint64_t seq);  // null: nobody waits for it
  void GiveUp(uint64_t seq, const absl::Status& why);
  void FailAll(const absl::Status& why);
  std::optional<LinkEnd> OnFrame(const link::Frame& frame);
  std::optional<LinkEnd> OnHandshake(const link::Frame& frame);
  void WaitForMore();

  void Dial();
  void DialAfter(absl::Duration pause);
  void OnDialled(absl::StatusOr<std::unique_ptr<micro::net::Socket>> socket);
  void OnShaken();
  void DialFailed(const absl::Status& why, bool may_retry);
  void KeepUnsent(LinkStream& stream);
  void DropBacklog(LinkDrop why);
  void BeatLater();
  void FinishIfDone();
  void EndNow();

  const std::shared_ptr<LinkShared> shared_;
  const LinkClientOptions& options_;  // of shared_
  const std::shared_ptr<micro::net::Turn> turn_;

  // Frames that wait, wherever they do.
  std::atomic<int64_t> queued_frames_ = 0, queued_bytes_ = 0;
  std::atomic<bool> is_closed_ = false;
  std::atomic<int64_t> down_until_ = 0;  // Unix nanoseconds: no use in trying before

  Is is_ = Is::kIdle;
  std::shared_ptr<LinkStream> stream_;  // while it shakes hands or is open
  std::string backlog_;                 // frames that wait for that
  int64_t backlog_frames_ = 0;
  std::unordered_map<uint64_t, std::shared_ptr<Call>> calls_;  // by seq
  int failures_ = 0;                                           // of dialling, in a row
  absl::Duration pause_ = absl::ZeroDuration();                // before the next attempt
  absl::Duration down_ = absl::ZeroDuration();                 // after the last
  absl::Time opened_;
  bool is_closing_ = false;

  // What may be a short answer to Publish lies at the front, and more may come, or may not.
  enum { kNone, kWaiting, kOver } short_publish_ = kNone;
  micro::net::Deadline retry_, handshake_, heartbeat_, more_, grace_;
};

}  // namespace due
