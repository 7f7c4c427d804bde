#include "core/net/tls.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "core/net/channel.h"
#include "core/status_macros.h"

namespace micro::net {
namespace {

using TlsStream = asio::ssl::stream<TcpSocket>;

absl::Status CannotUse(const std::string& file, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("cannot use {}: {}", file, why));
}

absl::Status CheckReadable(const std::string& file) {
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  if (in && in.peek() != std::ifstream::traits_type::eof()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("cannot read {}: {}", file, errno != 0 ? std::strerror(errno) : "it is empty"));
}

// A caller that names protocols must name ours; one that names none is welcome.
int SelectProtocol(SSL*, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* offered, unsigned int offered_size, void* alpn) {
  const auto& ours = *static_cast<const std::string*>(alpn);
  unsigned char* selected = nullptr;
  if (SSL_select_next_proto(&selected, out_size,
                            reinterpret_cast<const unsigned char*>(ours.data()),
                            static_cast<unsigned int>(ours.size()), offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *out = selected;
  return SSL_TLSEXT_ERR_OK;
}

class RunningHandshake final : public Handshake,
                               public std::enable_shared_from_this<RunningHandshake> {
 public:
  RunningHandshake(TcpSocket socket, std::shared_ptr<const Tls> tls,
                   absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Socket>>)> done)
      : tls_(std::move(tls)),
        timer_(socket.get_executor()),
        channel_(new Channel<TlsStream>(std::move(socket), tls_->context())),
        done_(std::move(done)) {}

  void Start(const std::string& host, absl::Duration timeout) {
    const bool client = tls_->side() == Tls::Side::kClient;
    if (client) Expect(tls_->server_name().empty() ? host : tls_->server_name());
    timer_.expires_after(TimerDuration(timeout));
    timer_.async_wait([self = shared_from_this()](const ErrorCode& error) {
      if (error || self->channel_ == nullptr) return;
      self->timed_out_ = true;
      self->CloseStream();
    });
    channel_->stream().async_handshake(
        client ? asio::ssl::stream_base::client : asio::ssl::stream_base::server,
        [self = shared_from_this()](const ErrorCode& error) { self->Finish(error); });
  }

  void Cancel() override {
    if (channel_ == nullptr) return;
    cancelled_ = true;
    CloseStream();
  }

 private:
  // Whom the certificate must name.
  void Expect(const std::string& name) {
    SSL* ssl = channel_->stream().native_handle();
    ErrorCode not_an_address;
    asio::ip::make_address(name, not_an_address);
    if (not_an_address) {
      SSL_set_tlsext_host_name(ssl, name.c_str());
      SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      SSL_set1_host(ssl, name.c_str());
    } else {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
    }
  }

  void CloseStream() {
    ErrorCode ignored;
    channel_->stream().lowest_layer().close(ignored);
  }

  void Finish(const ErrorCode& error) {
    timer_.cancel();
    const auto channel = std::exchange(channel_, nullptr);
    if (!error && !timed_out_ && !cancelled_)
      return std::exchange(done_, nullptr)(std::make_unique<ChannelSocket<TlsStream>>(channel));
    std::exchange(done_, nullptr)(Failure(error, *channel));
  }

  absl::Status Failure(const ErrorCode& error, Channel<TlsStream>& channel) const {
    if (cancelled_) return absl::CancelledError("the handshake was given up");
    std::string why = error.message();
    const long verified = SSL_get_verify_result(channel.stream().native_handle());
    if (timed_out_) {
      why = "it took too long";
    } else if (verified != X509_V_OK) {
      why = fmt::format("its certificate is refused: {}", X509_verify_cert_error_string(verified));
    } else if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) {
      why = "the peer has closed the connection";
    }
    return absl::UnavailableError(
        fmt::format("TLS handshake with {} failed: {}", channel.remote(), why));
  }

  const std::shared_ptr<const Tls> tls_;
  Timer timer_;
  boost::intrusive_ptr<Channel<TlsStream>> channel_;  // null: it has ended
  absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Socket>>)> done_;
  bool timed_out_ = false;
  bool cancelled_ = false;
};

}  // namespace

Tls::Tls(Side side, const TlsOptions& options)
    : side_(side),
      server_name_(options.server_name),
      alpn_(options.alpn.empty() ? "" : static_cast<char>(options.alpn.size()) + options.alpn),
      context_(side == Side::kServer ? asio::ssl::context::tls_server
                                     : asio::ssl::context::tls_client) {}

absl::StatusOr<std::shared_ptr<const Tls>> Tls::New(Side side, const TlsOptions& options) {
  std::shared_ptr<Tls> tls(new Tls(side, options));
  SSL_CTX* ssl = tls->context_.native_handle();
  SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
  static constexpr unsigned char kSessions[] = "micro";
  SSL_CTX_set_session_id_context(ssl, kSessions, sizeof(kSessions) - 1);
  RETURN_IF_ERROR(tls->LoadFiles(options));
  RETURN_IF_ERROR(tls->NameProtocol());
  return std::shared_ptr<const Tls>(std::move(tls));
}

absl::Status Tls::LoadFiles(const TlsOptions& options) {
  if (options.cert.empty() != options.key.empty())
    return absl::InvalidArgumentError("a TLS certificate and its key go together: only one is set");
  if (side_ == Side::kServer && options.cert.empty())
    return absl::InvalidArgumentError("a TLS server needs a certificate and its key");
  for (const std::string& file : {options.ca, options.cert, options.key}) {
    if (!file.empty()) RETURN_IF_ERROR(CheckReadable(file));
  }
  ErrorCode error;
  if (!options.cert.empty()) {
    context_.use_certificate_chain_file(options.cert, error);
    if (error) return CannotUse(options.cert, "it holds no PEM certificate");
    context_.use_private_key_file(options.key, asio::ssl::context::pem, error);
    if (error || SSL_CTX_check_private_key(context_.native_handle()) != 1) {
      return CannotUse(options.key,
                       fmt::format("it holds no PEM key of the certificate {}", options.cert));
    }
  }
  if (!options.ca.empty()) {
    context_.load_verify_file(options.ca, error);
    if (error) return CannotUse(options.ca, "it holds no PEM certificate");
  } else if (side_ == Side::kClient) {
    context_.set_default_verify_paths(error);
  }
  const bool verifies = side_ == Side::kClient || !options.ca.empty();
  context_.set_verify_mode(verifies
                               ? asio::ssl::verify_peer | asio::ssl::verify_fail_if_no_peer_cert
                               : asio::ssl::verify_none,
                           error);
  return absl::OkStatus();
}

absl::Status Tls::NameProtocol() {
  if (alpn_.empty()) return absl::OkStatus();
  SSL_CTX* ssl = context_.native_handle();
  if (side_ == Side::kServer) {
    SSL_CTX_set_alpn_select_cb(ssl, SelectProtocol, const_cast<std::string*>(&alpn_));
  } else if (SSL_CTX_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(alpn_.data()),
                                     static_cast<unsigned int>(alpn_.size())) != 0) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" cannot be an ALPN protocol", alpn_.substr(1)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const Tls>> NewServerTls(const TlsOptions& options) {
  return Tls::New(Tls::Side::kServer, options);
}

absl::StatusOr<std::shared_ptr<const Tls>> NewClientTls(const TlsOptions& options) {
  return Tls::New(Tls::Side::kClient, options);
}

std::shared_ptr<Handshake> StartTls(
    TcpSocket socket, std::shared_ptr<const Tls> tls, const std::string& host,
    absl::Duration timeout,
    absl::AnyInvocable<void(absl::StatusOr<std::unique_ptr<Socket>>)> done) {
  auto handshake =
      std::make_shared<RunningHandshake>(std::move(socket), std::move(tls), std::move(done));
  handshake->Start(host, timeout);
  return handshake;
}

}  // namespace micro::net
