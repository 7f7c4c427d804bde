#include <fmt/format.h>

#include <boost/asio/connect.hpp>

#include "core/net/asio.h"
#include "core/net/channel.h"
#include "core/net/host_port.h"
#include "core/net/socket.h"
#include "core/net/tls.h"

namespace micro::net {
namespace {

using Done = absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Socket>>)>;
using Resolver = asio::ip::basic_resolver<Tcp, asio::io_context::executor_type>;

// One attempt; it keeps itself while something is under way.
class Attempt final : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(Loop& loop, std::string address, std::shared_ptr<const Tls> tls, absl::Duration timeout,
          Done done)
      : address_(std::move(address)),
        tls_(std::move(tls)),
        timeout_(timeout),
        deadline_(std::chrono::steady_clock::now() + TimerDuration(timeout)),
        resolver_(loop.io()),
        socket_(loop.io()),
        timer_(loop.io()),
        done_(std::move(done)) {}

  void Start() {
    absl::StatusOr<HostPort> parts = ParseHostPort(address_);
    if (!parts.ok()) return Finish(std::move(parts).status());
    host_ = parts->host;
    timer_.expires_at(deadline_);
    timer_.async_wait([self = shared_from_this()](const ErrorCode& error) {
      if (!error) self->Fail(fmt::format("it took longer than {}", self->TimeoutText()));
    });
    ErrorCode no_number;
    const asio::ip::address number = asio::ip::make_address(host_, no_number);
    if (!no_number) return ConnectTo(Tcp::endpoint(number, parts->port));
    resolver_.async_resolve(host_, std::to_string(parts->port),
                            [self = shared_from_this()](const ErrorCode& error,
                                                        const Tcp::resolver::results_type& found) {
                              if (self->done_ == nullptr) return;
                              if (error) return self->Fail(error.message());
                              self->ConnectToAny(found);
                            });
  }

 private:
  void ConnectTo(const Tcp::endpoint& endpoint) {
    socket_.async_connect(
        endpoint, [self = shared_from_this()](const ErrorCode& error) { self->Connected(error); });
  }

  void ConnectToAny(const Tcp::resolver::results_type& found) {
    asio::async_connect(socket_, found,
                        [self = shared_from_this()](const ErrorCode& error, const Tcp::endpoint&) {
                          self->Connected(error);
                        });
  }

  void Connected(const ErrorCode& error) {
    if (done_ == nullptr) return;
    if (error) return Fail(error.message());
    Tune(socket_);
    timer_.cancel();
    if (tls_ == nullptr) return Finish(NewPlainSocket(std::move(socket_)));
    const auto left = absl::FromChrono(deadline_ - std::chrono::steady_clock::now());
    StartTls(std::move(socket_), tls_, host_, left,
             [self = shared_from_this()](absl::StatusOr<std::unique_ptr<Socket>> socket) {
               self->Finish(std::move(socket));
             });
  }

  std::string TimeoutText() const { return std::string(absl::FormatDuration(timeout_)); }

  void Fail(std::string_view why) {
    Finish(absl::UnavailableError(fmt::format("cannot connect to {}: {}", address_, why)));
  }

  // A lookup that hangs comes to its end later, and finds nothing to do.
  void Finish(absl::StatusOr<std::unique_ptr<Socket>> socket) {
    if (done_ == nullptr) return;
    timer_.cancel();
    resolver_.cancel();
    if (!socket.ok()) {
      ErrorCode ignored;
      socket_.close(ignored);
    }
    std::exchange(done_, nullptr)(std::move(socket));
  }

  const std::string address_;
  std::string host_;
  const std::shared_ptr<const Tls> tls_;
  const absl::Duration timeout_;
  const std::chrono::steady_clock::time_point deadline_;
  Resolver resolver_;
  TcpSocket socket_;
  Timer timer_;
  Done done_;
};

}  // namespace

void Connect(Loop& loop, const std::string& address, std::shared_ptr<const Tls> tls,
             absl::Duration timeout, Done done) {
  auto attempt = std::make_shared<Attempt>(loop, address, std::move(tls), timeout, std::move(done));
  loop.Post([attempt] { attempt->Start(); });
}

}  // namespace micro::net
