#include <fmt/format.h>

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <latch>
#include <set>

#include "core/log.h"
#include "core/net/asio.h"
#include "core/net/channel.h"
#include "core/net/socket.h"
#include "core/net/tls.h"
#include "core/status_macros.h"

namespace micro::net {
namespace {

using Acceptor = asio::basic_socket_acceptor<Tcp, asio::io_context::executor_type>;

constexpr absl::Duration kPause = absl::Milliseconds(100);  // without file descriptors
constexpr size_t kMostHandshakes = 1000;                    // at once on a loop

// What a listener and the handlers on the loops share; it lives as long as the last of them.
class Accepting final : public std::enable_shared_from_this<Accepting> {
 public:
  Accepting(Loops& loops, Acceptor acceptor, Loop& home, std::shared_ptr<const Tls> tls,
            absl::Duration handshake_timeout, Listener::OnAccept on_accept)
      : loops_(loops),
        home_(home),
        tls_(std::move(tls)),
        handshake_timeout_(handshake_timeout),
        on_accept_(std::move(on_accept)),
        acceptor_(std::move(acceptor)),
        pause_(home.io()) {}

  void Start() {
    home_.Post([self = shared_from_this()] { self->Accept(); });
  }

  // Ends the listening, and lets go on what has connected until then: peers of connections that
  // nobody took from the kernel would have sent requests into nothing. Then goes over every loop
  // once: what runs there now is the last that sees the listener open.
  void Close() {
    std::latch ended(1), last_accepted(1);
    home_.Post([this, &ended] {
      AcceptWaiting();
      ErrorCode ignored;
      acceptor_.close(ignored);
      pause_.cancel();
      ended.count_down();
    });
    ended.wait();
    // Behind the accept that was under way.
    home_.Post([&last_accepted] { last_accepted.count_down(); });
    last_accepted.wait();
    const auto seen = std::make_shared<std::latch>(static_cast<ptrdiff_t>(loops_.size()));
    for (size_t i = 0; i < loops_.size(); ++i) {
      loops_[i].Post([this, i, seen] {
        on_[i].closed = true;
        for (const std::shared_ptr<Handshake>& handshake : on_[i].handshakes) handshake->Cancel();
        seen->count_down();
      });
    }
    seen->wait();
  }

 private:
  void Accept() {
    if (!acceptor_.is_open()) return;
    const size_t index = next_++ % loops_.size();
    acceptor_.async_accept(loops_[index].io(), [self = shared_from_this(), index](
                                                   const ErrorCode& error, TcpSocket socket) {
      self->Accepted(error, index, std::move(socket));
    });
  }

  void Accepted(const ErrorCode& error, size_t index, TcpSocket socket) {
    if (!error) OpenOn(index, std::move(socket));
    if (!acceptor_.is_open()) return;
    if (IsShortage(error)) return Pause(error);
    if (std::exchange(paused_, false)) log::Info("accepting connections again");
    Accept();
  }

  // What waits in the kernel now, as far as there are descriptors.
  void AcceptWaiting() {
    ErrorCode error;
    acceptor_.non_blocking(true, error);
    while (!error) {
      const size_t index = next_++ % loops_.size();
      TcpSocket socket(loops_[index].io());
      acceptor_.accept(socket, error);
      if (!error) OpenOn(index, std::move(socket));
    }
  }

  void OpenOn(size_t index, TcpSocket socket) {
    loops_[index].Post(
        [self = shared_from_this(), index, connection = std::move(socket)]() mutable {
          self->Open(index, std::move(connection));
        });
  }

  static bool IsShortage(const ErrorCode& error) {
    return error == asio::error::no_descriptors || error == asio::error::no_buffer_space ||
           error == asio::error::no_memory ||
           error == boost::system::errc::too_many_files_open_in_system;
  }

  // The connection waits in the kernel until something is free again.
  void Pause(const ErrorCode& error) {
    if (!std::exchange(paused_, true))
      log::Warn("cannot accept connections for now", {{"error", error.message()}});
    pause_.expires_after(TimerDuration(kPause));
    pause_.async_wait([self = shared_from_this()](const ErrorCode&) { self->Accept(); });
  }

  // On the connection's loop.
  void Open(size_t index, TcpSocket socket) {
    OnLoop& here = on_[index];
    if (here.closed) return;
    Tune(socket);
    if (tls_ == nullptr) return on_accept_(loops_[index], NewPlainSocket(std::move(socket)));
    if (here.handshakes.size() == kMostHandshakes) {
      return log::Debug("a connection was refused",
                        {{"error", "too many others are shaking hands"}});
    }
    auto place = std::make_shared<std::weak_ptr<Handshake>>();
    const std::shared_ptr<Handshake> handshake = StartTls(
        std::move(socket), tls_, "", handshake_timeout_,
        [self = shared_from_this(), index, place](absl::StatusOr<std::unique_ptr<Socket>> opened) {
          self->on_[index].handshakes.erase(place->lock());
          if (self->on_[index].closed) return;
          if (opened.ok()) return self->on_accept_(self->loops_[index], *std::move(opened));
          log::Debug("a connection was refused", {{"error", opened.status()}});
        });
    *place = handshake;
    here.handshakes.insert(handshake);
  }

  // One per loop, used on its thread alone.
  struct alignas(64) OnLoop {
    bool closed = false;
    std::set<std::shared_ptr<Handshake>> handshakes;
  };

  Loops& loops_;
  Loop& home_;
  const std::shared_ptr<const Tls> tls_;
  const absl::Duration handshake_timeout_;
  const Listener::OnAccept on_accept_;
  Acceptor acceptor_;  // this and what follows: on home_'s thread
  Timer pause_;
  bool paused_ = false;
  size_t next_ = 0;
  std::vector<OnLoop> on_ = std::vector<OnLoop>(loops_.size());
};

class TcpListener final : public Listener {
 public:
  TcpListener(std::shared_ptr<Accepting> accepting, int port)
      : accepting_(std::move(accepting)), port_(port) {
    accepting_->Start();
  }
  ~TcpListener() override { Close(); }

  int port() const override { return port_; }
  void Close() override {
    if (accepting_ == nullptr) return;
    accepting_->Close();
    accepting_.reset();
  }

 private:
  std::shared_ptr<Accepting> accepting_;
  const int port_;
};

ErrorCode Open(Acceptor& acceptor, const Tcp::endpoint& endpoint) {
  ErrorCode error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  // All interfaces are those of both families.
  if (!error && endpoint.protocol() == Tcp::v6())
    acceptor.set_option(asio::ip::v6_only(!endpoint.address().is_unspecified()), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    ErrorCode ignored;
    acceptor.close(ignored);
  }
  return error;
}

// The addresses to try, in order.
absl::StatusOr<std::vector<Tcp::endpoint>> EndpointsOf(asio::io_context& io,
                                                       const std::string& host, uint16_t port) {
  if (host.empty()) return std::vector{Tcp::endpoint(Tcp::v6(), port), {Tcp::v4(), port}};
  ErrorCode error;
  std::vector<Tcp::endpoint> endpoints;
  for (const auto& found : Tcp::resolver(io).resolve(host, std::to_string(port), error))
    endpoints.push_back(found.endpoint());
  if (!endpoints.empty()) return endpoints;
  return absl::UnavailableError(fmt::format("cannot listen on {}: {}", host, error.message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Listen(Loops& loops, const std::string& host,
                                                           int port, std::shared_ptr<const Tls> tls,
                                                           absl::Duration handshake_timeout,
                                                           OnAccept on_accept) {
  if (port < 0 || port > 65535)
    return absl::InvalidArgumentError(fmt::format("cannot listen on port {}", port));
  Loop& home = loops.Next();
  ASSIGN_OR_RETURN(const std::vector<Tcp::endpoint> endpoints,
                   EndpointsOf(home.io(), host, static_cast<uint16_t>(port)));
  Acceptor acceptor(home.io());
  ErrorCode error;
  for (const Tcp::endpoint& endpoint : endpoints) {
    error = Open(acceptor, endpoint);
    if (!error || error == asio::error::address_in_use) break;
  }
  if (error) {
    return absl::UnavailableError(
        fmt::format("cannot listen on {}:{}: {}", host, port, error.message()));
  }
  const int bound = acceptor.local_endpoint(error).port();
  return std::make_unique<TcpListener>(
      std::make_shared<Accepting>(loops, std::move(acceptor), home, std::move(tls),
                                  handshake_timeout, std::move(on_accept)),
      bound);
}

}  // namespace micro::net
