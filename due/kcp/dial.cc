#include <fmt/format.h>
#include <unistd.h>

#include <boost/asio/ip/udp.hpp>
#include <cstring>

#include "core/net/asio.h"
#include "core/net/host_port.h"
#include "due/kcp/kcp.h"
#include "due/kcp/port.h"
#include "due/kcp/session.h"
#include "due/kcp/udp.h"

namespace due {
namespace {

using micro::net::ErrorCode;
using micro::net::Loop;
using Done = absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<micro::net::Socket>>)>;
using Protocol = micro::net::asio::ip::udp;
using Resolver =
    micro::net::asio::ip::basic_resolver<Protocol, micro::net::asio::io_context::executor_type>;

// A lookup of a host, and the connection to what was found first.
class Attempt final : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(Loop& loop, const std::string& address, const KcpOptions& options, absl::Duration timeout,
          Done done)
      : loop_(loop),
        address_(address),
        options_(options),
        timeout_(timeout),
        resolver_(loop.io()),
        timer_(loop.io()),
        done_(std::move(done)) {}

  void Start() {
    if (absl::Status status = options_.Check(); !status.ok()) return Finish(std::move(status));
    absl::StatusOr<micro::net::HostPort> parts = micro::net::ParseHostPort(address_);
    if (!parts.ok()) return Finish(std::move(parts).status());
    timer_.expires_after(micro::net::TimerDuration(timeout_));
    timer_.async_wait([self = shared_from_this()](const ErrorCode& error) {
      if (!error) self->Fail("looking up the host takes too long");
    });
    resolver_.async_resolve(
        parts->host, std::to_string(parts->port),
        [self = shared_from_this()](const ErrorCode& error, const Resolver::results_type& found) {
          if (self->done_ == nullptr) return;
          if (error) return self->Fail(error.message());
          sockaddr_storage storage = {};
          const Protocol::endpoint endpoint = found.begin()->endpoint();
          std::memcpy(&storage, endpoint.data(), endpoint.size());
          self->Open(PeerAddress::Of(storage));
        });
  }

 private:
  void Open(const PeerAddress& peer) {
    const absl::StatusOr<int> socket = ConnectUdp(peer, options_);
    if (!socket.ok()) return Finish(socket.status());
    uint32_t conv = 0;
    if (getentropy(&conv, sizeof(conv)) != 0) {
      close(*socket);
      return Fail(std::strerror(errno));
    }
    // Of a listener that has ended, with one session.
    const auto ledger = std::make_shared<KcpLedger>(1, options_);
    ledger->on[0].loop = &loop_;
    ledger->open = 1;
    ledger->is_closed = true;
    Finish(NewKcpSocket(KcpPort::Open(ledger, 0, *socket)->Begin(peer, conv)));
  }

  void Fail(std::string_view why) {
    Finish(absl::UnavailableError(fmt::format("cannot connect to {}: {}", address_, why)));
  }

  // A lookup that hangs comes to its end later, and finds nothing to do.
  void Finish(absl::StatusOr<std::unique_ptr<micro::net::Socket>> socket) {
    if (done_ == nullptr) return;
    timer_.cancel();
    resolver_.cancel();
    std::exchange(done_, nullptr)(std::move(socket));
  }

  Loop& loop_;
  const std::string address_;
  const KcpOptions options_;
  const absl::Duration timeout_;
  Resolver resolver_;
  micro::net::Timer timer_;
  Done done_;
};

}  // namespace

void DialKcp(Loop& loop, const std::string& address, const KcpOptions& options,
             absl::Duration timeout, Done done) {
  const auto attempt = std::make_shared<Attempt>(loop, address, options, timeout, std::move(done));
  loop.Post([attempt] { attempt->Start(); });
}

}  // namespace due
