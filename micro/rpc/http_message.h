// HTTP/1.1 messages as the RPC wire uses them: one request or response is one message of a call.
//
//   HttpReader reader(HttpReader::kRequests, limits);
//   read into reader.Space(n); reader.Commit(count);
//   while (true) {
//     ASSIGN_OR_RETURN(const HttpMessage* message, reader.Next());
//     if (message == nullptr) break;                       // read more
//     … message->Get("Micro-Endpoint"), message->body …
//   }
//
// A reader takes bytes as they come, pipelined messages and parts of messages alike, with length,
// chunks or (responses) neither, and holds no more than its limits allow. Anything that two readers
// could understand in two ways is refused, so that nothing can be smuggled past a proxy. One
// connection's reader is for one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace micro::rpc {

struct HttpMessage {
  std::string_view method = {};  // of a request
  std::string_view target = {};
  int status = 0;  // of a response
  bool keep_alive = true;
  // In the order they came, names as they were spelt. All views are into the reader: until its next
  // Next or Space.
  std::vector<std::pair<std::string_view, std::string_view>> headers = {};
  std::string_view body = {};

  // The first header of this name, case aside; empty: there is none.
  std::string_view Get(std::string_view name) const;
};

struct HttpLimits {
  size_t header_bytes = 64 << 10;  // of one message, the first line included
  size_t headers = 256;
  size_t body_bytes = 4 << 20;
};

class HttpReader {
 public:
  enum Kind { kRequests, kResponses };

  HttpReader(Kind kind, HttpLimits limits);
  ~HttpReader();
  HttpReader(const HttpReader&) = delete;
  HttpReader& operator=(const HttpReader&) = delete;

  // Room for at least `size` more bytes, SpaceLeft of them in fact; Commit says how many were put
  // there.
  char* Space(size_t size);
  size_t SpaceLeft() const;
  size_t BufferSize() const;  // all that it has taken from the heap for bytes
  void Commit(size_t count);

  // The next whole message; null: more bytes are needed. INVALID_ARGUMENT: these bytes are no HTTP
  // (the message says what was wrong); RESOURCE_EXHAUSTED: a limit is passed, by name. After an
  // error the connection is of no more use. Interim responses (1xx) are passed over.
  absl::StatusOr<const HttpMessage*> Next();

  // After an error: the status that a server answers with, 400, 413, 431, 501 or 505.
  int refusal() const;

  // Whether the request that is being read waits for `100 Continue` before it sends its body. True
  // once for a request.
  bool TakeExpectation();

  // The peer has ended its sending: a response without length is whole now; in the middle of a
  // message UNAVAILABLE, else OK with null.
  absl::StatusOr<const HttpMessage*> End();

  // Whether bytes of a message that is not whole have come; after a message of Next: whether there
  // are bytes behind it.
  bool InMessage() const;

  // Whether the headers of such a message are whole.
  bool InBody() const;

 private:
  struct Parser;
  const std::unique_ptr<Parser> parser_;
};

// Whether a text can stand in a header: no control characters in a value (CR and LF above all), a
// token for a name.
bool IsHeaderName(std::string_view name);
bool IsHeaderValue(std::string_view value);

}  // namespace micro::rpc
