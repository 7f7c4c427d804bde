// One connection of a client to a node: for one unary call at a time, since go-micro's servers drop
// a request that comes before the answer to the last.
//
// It reads all the time, so that a peer that closes, or talks out of turn, is noticed at once and
// the connection given up. On its loop's thread alone.
#pragma once

#include <coroutine>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/net/deadlines.h"
#include "core/net/socket.h"
#include "micro/rpc/http_message.h"

namespace micro::rpc {

class NodePool;

// What came of a request.
struct Answer {
  const HttpMessage* message = nullptr;  // until Finish; null: there is none, because of
  absl::Status error = {};
  // The peer closed the connection, which had served before, and answered with no byte: most likely
  // it was closing while the request was on its way.
  bool crossed = false;
};

class ClientConnection : public std::enable_shared_from_this<ClientConnection> {
 public:
  // A new connection of `pool`.
  ClientConnection(std::shared_ptr<NodePool> pool, std::unique_ptr<net::Socket> socket);

  // Begins to read.
  void Start();

  // co_await connection->Send(request): the answer. An answer with a message is ended by Finish.
  auto Send(std::string_view request) {
    struct Awaiter {
      ClientConnection& connection;
      std::string_view request;
      Answer answer = {};
      bool await_ready() { return false; }
      void await_suspend(std::coroutine_handle<> waiter) {
        connection.Begin(request, waiter, &answer);
      }
      Answer await_resume() { return std::move(answer); }
    };
    return Awaiter{*this, request};
  }

  // The answer was read. The connection goes back to its pool if it is still good.
  void Finish();

  // Ends the connection, and the call that waits on it with `error`. Where that is a deadline and
  // the peer has not said a byte, though it has answered before, it may be gone without a farewell:
  // idle connections that have been silent for as long are ended too.
  void Abandon(absl::Status error);

  // Ends the connection, on which no call waits.
  void Close();

  absl::Time made() const { return made_; }

  // When it was last taken from its pool or given back.
  absl::Time moved() const { return moved_; }
  void set_moved(absl::Time now) { moved_ = now; }

 private:
  void Begin(std::string_view request, std::coroutine_handle<> waiter, Answer* answer);
  void AwaitInOnePiece();
  void LearnHowItAnswers();
  void Read();
  void OnRead(const absl::Status& status, size_t count);
  bool BeginsAsHttp(std::string_view bytes);
  void Advance();
  void Deliver(const HttpMessage& message);
  void OnPeersEnd(const absl::Status& status);
  void Fail(absl::Status error, bool crossed = false);

  const std::shared_ptr<NodePool> pool_;
  const std::unique_ptr<net::Socket> socket_;
  const absl::Time made_;
  absl::Time moved_;
  net::Deadline too_old_;
  HttpReader reader_;
  char* space_ = nullptr;  // that is being read into
  std::coroutine_handle<> waiter_;
  Answer* answer_ = nullptr;  // the waiter's
  std::string unsent_;        // what of a request did not go out at once
  uint64_t calls_ = 0;
  int reads_ = 0;              // that this call's answer took
  size_t answer_size_ = 0;     // its bytes so far
  size_t least_answer_ = 0;    // of a peer that answers in pieces: bytes to wait for; else 0
  absl::Time asked_;           // when this call began, of such a peer
  absl::Duration usual_time_;  // of its answers
  net::Deadline impatient_;    // until the first of those bytes
  size_t greeting_ = 0;        // how much of "HTTP/1." has come of this call's answer
  bool heard_ = false;         // whether a byte of this call's answer came
  bool writing_ = false;       // `unsent_`
  bool keep_ = true;           // whether the peer wants more calls on it
  bool closed_ = false;
};

}  // namespace micro::rpc
