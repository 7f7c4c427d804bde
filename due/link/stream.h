// A LinkStream is an open connection that carries frames: what both sides of a link have in common.
// Internal. Everything here is for the loop's thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "core/net/deadlines.h"
#include "core/net/socket.h"
#include "core/net/turn.h"
#include "due/link/counts.h"

namespace due {

class LinkStream final : public micro::net::Turn::Writer,
                         public std::enable_shared_from_this<LinkStream> {
 public:
  // Whose stream it is; kept by it until its end.
  class Owner {
   public:
    virtual ~Owner() = default;

    // Takes what is whole off the front of what has come. A cause ends the stream.
    virtual std::optional<LinkEnd> OnBytes(std::string_view& bytes) = 0;

    // The kernel has taken so much of what was put. Only to count: it may come from inside Put.
    virtual void OnWritten(int64_t frames, int64_t bytes) = 0;

    // Once. Nothing is called afterwards.
    virtual void OnEnd(LinkEnd end) = 0;
  };

  // Frames that were put and of which the kernel has not taken all.
  struct Unsent {
    std::string bytes =
        {};              // of frames whose end was not given to the kernel, each from its beginning
    int64_t frames = 0;  // all that OnWritten was not told of, the others included
    int64_t frame_bytes = 0;
  };

  LinkStream(std::unique_ptr<micro::net::Socket> socket, std::shared_ptr<micro::net::Turn> turn,
             absl::Duration stall_timeout);

  // Reads from now on.
  void Start(std::shared_ptr<Owner> owner);

  // Whether frames may be put: not once it ends.
  bool is_taking() const { return !is_ended() && !is_finishing_; }

  // Puts one frame, which `append` appends to the text it is given, and says so; it is written when
  // the turn ends.
  template <class Append>
  void Put(Append append) {
    if (is_taking() && append(waiting_)) Added(1);
  }

  // Puts whole frames.
  void PutAll(std::string_view bytes, int64_t frames) {
    if (!is_taking() || frames == 0) return;
    waiting_ += bytes;
    Added(frames);
  }

  // Reads nothing more, until Resume; OnBytes is called then for what is there, and not inside of
  // it.
  void Pause() { is_paused_ = true; }
  bool is_paused() const { return is_paused_; }
  void Resume();

  // OnBytes is called for what is there, once the loop's other connections have had their turn; not
  // inside of it, and nothing is read before.
  void Again();

  // Writes what waits, tells the peer that nothing more comes, and ends with kLocal soon. What
  // comes is not heeded any more.
  void Finish();
  void End(LinkEnd end);  // at once
  bool is_ended() const { return socket_ == nullptr; }

  // What was not written; of a stream that has ended.
  Unsent TakeUnsent();

  size_t waiting_bytes() const { return waiting_.size() + writing_.size(); }
  bool has_part() const { return end_ > begin_; }  // of a frame, read and not taken
  bool has_heard() const { return has_heard_; }    // anything
  absl::Time heard() const { return heard_; }  // when something came last; its beginning at first
  void set_heard(absl::Time when) { heard_ = when; }
  const std::string& remote() const { return remote_; }

  void Flush() override;

 private:
  void Read();
  void Advance();
  void MakeRoom(size_t last_read);
  void Added(int64_t frames);
  void WriteNow();
  void WriteOn();
  void Written();
  void Linger();

  std::unique_ptr<micro::net::Socket> socket_;  // until the end
  const std::shared_ptr<micro::net::Turn> turn_;
  std::shared_ptr<Owner> owner_;  // from the start to the end
  const absl::Duration stall_timeout_;
  const std::string remote_;

  std::unique_ptr<char[]> space_;  // what was read and is not taken: from begin_ to end_
  size_t capacity_ = 0, begin_ = 0, end_ = 0;
  absl::Time heard_;
  bool has_heard_ = false, is_reading_ = false, is_delivering_ = false, is_paused_ = false,
       is_advance_due_ = false;

  std::string waiting_, writing_;
  size_t written_ = 0;  // of writing_: taken by the kernel, or just offered to it
  int64_t waiting_frames_ = 0, writing_frames_ = 0;
  bool is_writing_ = false, is_flush_due_ = false, is_finishing_ = false, is_lingering_ = false;
  micro::net::Deadline stall_, linger_;
};

}  // namespace due
