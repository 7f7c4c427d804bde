// A server of the RPC wire for tests, with handlers that do as they are told, and a peer that sends
// it any bytes.
#pragma once

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "codec/codec_test.pb.h"
#include "core/async.h"
#include "core/errors.h"
#include "core/status_macros.h"
#include "core/testing/status_matchers.h"
#include "micro/rpc/http_message.h"
#include "micro/rpc/rpc_server.h"

namespace micro::rpc {

using codec::test::User;

// The handlers' other end: tests wait for them, and let them go on.
class Gate {
 public:
  // A handler comes here, and waits until it is opened or its context ends.
  Task<absl::Status> Pass(Context ctx) {
    auto slot = std::make_shared<OneShot<bool>>();
    {
      MutexLock lock(mutex_);
      ++waiting_;
      slots_.push_back(slot);
      changed_.NotifyAll();
    }
    const absl::StatusOr<bool> passed = co_await Await(ctx, slot);
    MutexLock lock(mutex_);
    if (!passed.ok()) ++cancelled_;
    --waiting_;
    changed_.NotifyAll();
    co_return passed.status();
  }

  void WaitFor(int handlers) {
    MutexLock lock(mutex_);
    while (waiting_ < handlers) changed_.Wait(mutex_);
  }
  void WaitForCancelled(int handlers) {
    MutexLock lock(mutex_);
    while (cancelled_ < handlers) changed_.Wait(mutex_);
  }
  int waiting() {
    MutexLock lock(mutex_);
    return waiting_;
  }

  // Lets the handler that came `index`th go on, or all that are there.
  void Open(size_t index) { SlotAt(index)->TrySet(true); }
  void OpenAll() {
    std::vector<std::shared_ptr<OneShot<bool>>> slots;
    {
      MutexLock lock(mutex_);
      slots = slots_;
    }
    for (const auto& slot : slots) slot->TrySet(true);
  }

 private:
  std::shared_ptr<OneShot<bool>> SlotAt(size_t index) {
    MutexLock lock(mutex_);
    return slots_.at(index);
  }

  Mutex mutex_;
  CondVar changed_;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  int cancelled_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::shared_ptr<OneShot<bool>>> slots_ ABSL_GUARDED_BY(mutex_);
};

// What handlers saw.
class Seen {
 public:
  void Add(std::string what) {
    MutexLock lock(mutex_);
    all_.push_back(std::move(what));
    changed_.NotifyAll();
  }
  std::string At(size_t index) {
    MutexLock lock(mutex_);
    while (all_.size() <= index) changed_.Wait(mutex_);
    return all_[index];
  }
  size_t size() {
    MutexLock lock(mutex_);
    return all_.size();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> all_ ABSL_GUARDED_BY(mutex_);
};

inline Method MethodOf(std::string_view endpoint, MethodKind kind = MethodKind::kUnary) {
  return {.endpoint = endpoint, .grpc_path = "", .kind = kind};
}

inline User Named(const std::string& name) {
  User user;
  user.set_user_name(name);
  return user;
}

struct ServedGreeter {
  explicit ServedGreeter(ServerLimits limits = {}, ServerOptions options = {.name = "greeter"})
      : wire(NewRpcServer(options, limits)) {
    const absl::StatusOr<int> bound = wire->Start("127.0.0.1", 0, Endpoints());
    EXPECT_THAT(bound, IsOk());
    port = bound.value_or(0);
  }

  std::vector<ServedEndpoint> Endpoints() {
    std::vector<ServedEndpoint> served;
    const auto add = [&](HandlerEndpoint endpoint) {
      served.push_back({.handler = "Greeter", .endpoint = std::move(endpoint)});
    };
    const auto unary = [&](std::string_view name, auto handle) {
      add(UnaryEndpoint<User, User>(MethodOf(name), handle));
    };
    unary("Greeter.Hello",
          [this](const Context& ctx, const User& in, User& out) { return Hello(ctx, in, out); });
    // Waits at the gate; says how it went.
    unary("Greeter.Wait",
          [this](const Context& ctx, const User& in, User& out) { return Wait(ctx, in, out); });
    unary("Greeter.Fail",
          [](const Context&, const User& in, User&) -> Task<absl::Status> { return Fail(in); });
    unary("Greeter.Throw",
          [](const Context&, const User&, User&) -> Task<absl::Status> { return Throw(); });
    add(ServerStreamingEndpoint<User, User>(
        MethodOf("Greeter.Count", MethodKind::kServerStreaming),
        [this](const Context& ctx, const User& in, SendStream<User>& stream) {
          return Count(ctx, in, stream);
        }));
    add(ClientStreamingEndpoint<User, User>(MethodOf("Greeter.Join", MethodKind::kClientStreaming),
                                            [this](const Context& ctx, RecvStream<User>& stream,
                                                   User& out) { return Join(ctx, stream, out); }));
    add(BidiEndpoint<User, User>(
        MethodOf("Greeter.Chat", MethodKind::kBidi),
        [this](const Context& ctx, Stream<User, User>& stream) { return Chat(ctx, stream); }));
    return served;
  }

  Task<absl::Status> Hello(const Context& ctx, const User& in, User& out) {
    for (const auto& [key, value] : ctx.metadata()) seen.Add(key + "=" + value);
    out.set_user_name("Hello " + in.user_name());
    co_return absl::OkStatus();
  }
  Task<absl::Status> Wait(const Context& ctx, const User& in, User& out) {
    const absl::Status passed = co_await gate.Pass(ctx);
    out.set_user_name(in.user_name());
    co_return passed;
  }
  static Task<absl::Status> Fail(const User& in) {
    if (in.user_name() == "plain") co_return absl::FailedPreconditionError("not\r\nnow");
    co_return errors::BadRequest("greeter", "bad name");
  }
  static Task<absl::Status> Throw() {
    throw std::runtime_error("ouch");
    co_return absl::OkStatus();
  }
  // As many as the account's id says.
  Task<absl::Status> Count(const Context&, const User& in, SendStream<User>& stream) {
    for (int64_t i = 1; i <= in.account_id(); ++i) {
      User message = Named(std::to_string(i));
      message.set_avatar(std::string(in.quota(), 'x'));
      const absl::Status sent = co_await stream.Send(message);
      seen.Add(sent.ok() ? "sent" : std::string(sent.message()));
      CO_RETURN_IF_ERROR(sent);
    }
    co_return absl::OkStatus();
  }
  Task<absl::Status> Join(const Context&, RecvStream<User>& stream, User& out) {
    std::string all;
    while (true) {
      CO_ASSIGN_OR_RETURN(const std::optional<User> user, co_await stream.Recv());
      if (!user.has_value()) break;
      all += user->user_name();
    }
    seen.Add("joined " + all);
    out.set_user_name(all);
    co_return absl::OkStatus();
  }
  // Says everything back; "wait": only when the gate opens; "fail", "end": ends so.
  Task<absl::Status> Chat(const Context& ctx, Stream<User, User>& stream) {
    seen.Add("chat");
    while (true) {
      const absl::StatusOr<std::optional<User>> user = co_await stream.Recv();
      if (!user.ok()) seen.Add(std::string(user.status().message()));
      CO_RETURN_IF_ERROR(user.status());
      if (!user->has_value()) {
        seen.Add("end of messages");
        co_return absl::OkStatus();
      }
      const std::string name = (*user)->user_name();
      if (name == "wait") CO_RETURN_IF_ERROR(co_await gate.Pass(ctx));
      if (name == "fail") co_return errors::Conflict("greeter", "as told");
      if (name == "end") co_return absl::OkStatus();
      CO_RETURN_IF_ERROR(co_await stream.Send(**user));
    }
  }

  Gate gate;
  Seen seen;
  int port = 0;
  std::unique_ptr<ServerWire> wire;  // first to go
};

// A peer below all of ours.
class Peer {
 public:
  explicit Peer(int port, int receive_buffer = 0) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    if (receive_buffer > 0)
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const timeval most = {.tv_sec = 60, .tv_usec = 0};  // no healthy run needs it
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
  }
  Peer(Peer&& other) : fd_(std::exchange(other.fd_, -1)) {}
  ~Peer() { Close(); }

  // How much of it the server took: less when it has closed.
  size_t Send(std::string_view bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t count = send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    return sent;
  }

  // The next response, as it came.
  std::string Read() {
    while (true) {
      const size_t size = ResponseSize();
      if (size > 0) {
        const std::string response = come_.substr(0, size);
        come_.erase(0, size);
        return response;
      }
      if (!Receive()) return "(end) " + come_;
    }
  }

  // Everything until the server's end.
  std::string ReadToEnd() {
    while (Receive()) {
    }
    return std::exchange(come_, "");
  }
  bool AtEnd() { return come_.empty() && !Receive(); }

  void EndWrites() { shutdown(fd_, SHUT_WR); }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  int fd() const { return fd_; }

 private:
  bool Receive() {
    char buffer[64 << 10];
    const ssize_t count = recv(fd_, buffer, sizeof(buffer), 0);
    if (count > 0) come_.append(buffer, static_cast<size_t>(count));
    return count > 0;
  }
  size_t ResponseSize() const {
    const size_t end = come_.find("\r\n\r\n");
    if (end == come_.npos) return 0;
    const size_t length = come_.find("Content-Length: ");
    const size_t size = length < end ? std::stoul(come_.substr(length + 16)) : 0;
    return come_.size() >= end + 4 + size ? end + 4 + size : 0;
  }

  int fd_;
  std::string come_;
};

// "\n" stands for "\r\n" in what tests write and expect.
inline std::string Crlf(std::string_view text) {
  std::string crlf;
  for (const char c : text) {
    if (c == '\n') crlf += '\r';
    crlf += c;
  }
  return crlf;
}

// A request with a JSON body.
inline std::string JsonRequest(const std::string& endpoint, const std::string& body,
                               const std::string& more_headers = "") {
  return Crlf("POST / HTTP/1.1\nHost: x\nContent-Type: application/json\nMicro-Endpoint: " +
              endpoint + "\n" + more_headers + "Content-Length: " + std::to_string(body.size()) +
              "\n\n") +
         body;
}

inline std::string BodyOf(const std::string& response) {
  return response.substr(response.find("\r\n\r\n") + 4);
}
inline std::string HeaderOf(const std::string& response, const std::string& name) {
  const size_t at = response.find("\r\n" + name + ": ");
  if (at == response.npos || at > response.find("\r\n\r\n")) return "";
  const size_t begin = at + 4 + name.size();
  return response.substr(begin, response.find("\r\n", begin) - begin);
}

}  // namespace micro::rpc
