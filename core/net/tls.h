// TLS on an open connection. Internal.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <memory>
#include <string>

#include "core/net/asio.h"
#include "core/net/socket.h"

namespace micro::net {

class Tls {
 public:
  enum class Side { kServer, kClient };

  static absl::StatusOr<std::shared_ptr<const Tls>> New(Side side, const TlsOptions& options);

  Side side() const { return side_; }
  asio::ssl::context& context() const { return context_; }
  const std::string& server_name() const { return server_name_; }

 private:
  Tls(Side side, const TlsOptions& options);
  absl::Status LoadFiles(const TlsOptions& options);
  absl::Status NameProtocol();

  const Side side_;
  const std::string server_name_;
  const std::string alpn_;  // as OpenSSL wants it: lengths before names
  mutable asio::ssl::context context_;
};

// A handshake that runs.
class Handshake {
 public:
  virtual ~Handshake() = default;
  // Ends it; `done` will say CANCELLED. On the loop's thread, as all the rest.
  virtual void Cancel() = 0;
};

// Shakes hands over `socket`, as the side that `tls` is; a client expects a certificate of
// tls->server_name() or else of `host`. `done` gets the socket or UNAVAILABLE, not from inside the
// call.
std::shared_ptr<Handshake> StartTls(
    TcpSocket socket, std::shared_ptr<const Tls> tls, const std::string& host,
    absl::Duration timeout, absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Socket>>)> done);

}  // namespace micro::net
