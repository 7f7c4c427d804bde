// One connection of a server, on its loop: reads requests, runs their handlers, and writes the
// answers of unary calls in the order of their requests, those of streams as they come.
//
// All of it is for the loop's thread. Everything under way, the socket's callbacks, calls and
// streams, holds a Connection::Ptr; it ends with the last. The count is a plain number, so that a
// Ptr, too, is made and freed on that thread alone.
#pragma once

#include <boost/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <coroutine>
#include <deque>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/net/socket.h"
#include "micro/rpc/http_message.h"
#include "micro/rpc/incoming.h"
#include "micro/rpc/server_state.h"

namespace micro::rpc {

class ServerStream;

class Connection final
    : public boost::intrusive_ref_counter<Connection, boost::thread_unsafe_counter> {
 public:
  using Ptr = boost::intrusive_ptr<Connection>;

  // Serves what comes on `socket`, on this thread, its loop's.
  static void Start(std::shared_ptr<ServerState> state, OnLoop& on,
                    std::unique_ptr<net::Socket> socket);
  ~Connection();

  // ---- For calls. ----

  // The place of one answer among the others.
  struct Answer {
    bool ready = false;
    bool interim = false;  // not the answer itself: 100 Continue
    bool last = false;     // the connection ends with it
    std::string text = {};
  };
  void Finish(Answer& answer, std::string_view text);

  ServerState& state() { return *state_; }
  net::Loop& loop() { return on_.loop(); }
  const std::stop_source& stop() const { return stop_; }
  const std::string& local() const { return local_; }
  const std::string& remote() const { return remote_; }

  // ---- For streams. ----

  // Sends one message of a stream: a whole response.
  void Send(std::string_view response);

  // Whether a sender should wait until WakeSenders.
  bool IsFull() const;

  // The stream's last message was sent.
  void EndStream(ServerStream& stream);

  // A stream's queue has room again.
  void ReadOn();

  // ---- For the server. ----

  void Tick();    // looks at the time
  void Drain();   // ends as soon as nothing is running, with a farewell
  void Cancel();  // ends what is running, and then
  void Close();   // at once; what still runs has nobody to answer

 private:
  friend class OnLoop;
  Connection(std::shared_ptr<ServerState> state, OnLoop& on, std::unique_ptr<net::Socket> socket);

  // Reading
  bool IsPaused() const;
  void StartRead();
  void OnRead(absl::Status status, size_t count);
  void OnReadEnd(const absl::Status& status);
  void Turn();          // takes all that was read, then writes all that came of it
  bool TakeMessages();  // false: it paused, and there may be more
  void Take(const HttpMessage& message);
  void TakeForStream(const HttpMessage& message, Incoming incoming);
  void OpenStream(Incoming incoming);
  void RememberStream(std::string_view id);
  void Refuse(int status, std::string_view why);

  // Writing
  void AnswerNow(Answer answer);
  void PutOut(const Answer& answer, std::string_view text);
  void Flush();
  void WriteOn();
  void ContinueSoon();
  void Continue();
  bool IsQuiet() const;  // nothing runs, and nothing is under way in either direction
  void EndIfQuiet();
  void SayFarewell();
  void WakeSenders();
  size_t Unsent() const { return out_.size() + sending_.size() - sent_ + held_; }
  void EndCalls(const absl::Status& why);

  const std::shared_ptr<ServerState> state_;
  OnLoop& on_;
  const std::unique_ptr<net::Socket> socket_;
  const std::string local_, remote_;
  HttpReader reader_;
  std::stop_source stop_;  // of all unary calls

  std::deque<Answer> answers_;  // of the requests that are not answered yet
  std::vector<std::shared_ptr<ServerStream>> streams_;
  std::deque<std::string> ended_streams_;  // what still comes for them is dropped

  std::string out_;      // to be written
  std::string sending_;  // being written, from `sent_` on
  size_t sent_ = 0;

  bool turning_ = false;
  bool reading_ = false;
  bool writing_ = false;
  bool continuing_ = false;  // Continue is posted
  bool last_taken_ = false;  // no request is taken any more; what comes is thrown away
  bool draining_ = false;    // the server takes no more calls
  bool cancelled_ = false;   // and waits no longer
  bool peer_ended_ = false;  // it sends no more
  bool last_said_ = false;   // the peer was told that nothing follows
  bool lingering_ = false;   // and it is waited for its end
  bool in_message_ = false;  // as the last turn left it
  bool closed_ = false;
  size_t read_size_;     // grows while reads are full
  size_t buffered_ = 0;  // as OnLoop knows it
  size_t held_ = 0;      // bytes of answers that wait for those before them

  // Ticks
  uint64_t began_ = 0;  // the message that is not whole, or the lingering
  uint64_t last_read_ = 0;
  uint64_t last_write_ = 0;
  uint64_t last_end_ = 0;  // of a call or stream
  size_t place_ = 0;       // in OnLoop
};

}  // namespace micro::rpc
