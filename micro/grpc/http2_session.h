// A client's HTTP/2 connection, on libnghttp2 and one of our loops. It carries the calls that gRPC's
// own core cannot make: those whose content-type names a codec (application/grpc+json). It knows
// HTTP/2, not gRPC; http2_stream.h stands on it.
//
// Everything is called, and calls back, on the loop's thread. A session is shared by its streams and
// lives as long as any of them, or its table, holds it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/net/loops.h"
#include "core/net/socket.h"

struct nghttp2_session;

namespace micro::grpc_wire {

// What happens to one stream. Held by the session until OnEnd, the last of its calls.
class Http2Events {
 public:
  virtual ~Http2Events() = default;
  virtual void OnHeader(std::string_view name, std::string_view value) = 0;  // trailers too
  virtual void OnHeadersEnd() = 0;  // of one block: of an interim answer, the answer, its trailers
  virtual void OnData(std::string_view bytes) = 0;
  virtual void OnDrained() = 0;  // all that was written has gone into the connection
  // OK: the server ended it in order. UNAVAILABLE: the connection was lost; with MarkUnsent when
  // the server cannot have begun it. Others: the server reset it.
  virtual void OnEnd(absl::Status status) = 0;
};

class Http2Session : public std::enable_shared_from_this<Http2Session> {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;
  using OnConnected = absl::AnyInvocable<void(absl::StatusOr<std::shared_ptr<Http2Session>>)>;

  // UNAVAILABLE says why there is no connection.
  static void Connect(net::Loop& loop, const std::string& address,
                      std::shared_ptr<const net::Tls> tls, absl::Duration timeout,
                      OnConnected connected);
  ~Http2Session();

  // Whether new streams may be opened: not once it is lost or the server sent GOAWAY.
  bool usable() const;
  size_t streams() const { return streams_.size(); }

  // Opens a stream; its id. The headers hold the pseudo ones, first. UNAVAILABLE: not usable.
  absl::StatusOr<int32_t> Open(const Headers& headers, std::shared_ptr<Http2Events> events);

  // Sends `bytes` on a stream, and with `end` half-closes it. Nothing once it has ended.
  void Write(int32_t stream, std::string_view bytes, bool end);
  size_t Unsent(int32_t stream) const;

  // Bytes of OnData that were used up: the server may send as many more.
  void Consume(int32_t stream, size_t bytes);

  // Ends a stream at once; OnEnd does not come.
  void Reset(int32_t stream);

  // Ends the connection and all streams on it.
  void Close(absl::Status why);

 private:
  struct Stream {
    std::shared_ptr<Http2Events> events;
    std::string unsent;
    size_t taken = 0;  // of `unsent`, by nghttp2
    bool end = false;
    bool answered = false;
  };
  struct Callbacks;

  Http2Session(net::Loop& loop, std::unique_ptr<net::Socket> socket);
  absl::Status Start();
  void Read();
  void Flush();
  void End(int32_t stream, absl::Status status);
  bool Over() const;
  absl::Status WhyOver() const;

  net::Loop& loop_;
  std::unique_ptr<net::Socket> socket_;
  nghttp2_session* session_ = nullptr;
  std::map<int32_t, Stream> streams_;
  absl::Status lost_;
  bool greeted_ = false;  // SETTINGS have come: this is an HTTP/2 server
  bool flush_posted_ = false;
  bool writing_ = false;
  std::string outgoing_, in_flight_;
  std::unique_ptr<char[]> buffer_;
};

}  // namespace micro::grpc_wire
