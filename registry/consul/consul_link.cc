#include "registry/consul/consul_link.h"

// cpprestsdk: no macro U.
#define _TURN_OFF_PLATFORM_STRING
#include <cpprest/http_client.h>
#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <pplx/threadpool.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "core/async.h"
#include "core/mutex.h"
#include "core/status_macros.h"
#include "core/tls_files.h"

namespace micro::registry::consul {
namespace {

namespace http = web::http;
namespace ssl = boost::asio::ssl;

constexpr size_t kMaxAnswer = 64 << 20;

// cpprestsdk has one pool of threads for the process, 40 by default, made at its first use. Here it
// only moves bytes and nothing blocks in it, for which one thread is best: a request is a dozen
// turns through the pool, and with more threads each turn wakes another (measured: four threads take
// 1.5 times the CPU of a request, and longer). A program that uses cpprestsdk itself, and may block
// in it, calls initialize_with_threads in its main: then that stays.
constexpr size_t kThreads = 1;

// The requests under way. cpprestsdk stops its threads inside the program's exit, and what is left of
// a request then runs there, when much of what it uses has gone, or leaks. So the exit waits for
// requests that were cancelled, which end as soon as their connections are closed.
class UnderWay {
 public:
  static UnderWay& Requests() {
    static UnderWay& requests = *new UnderWay;
    return requests;
  }

  // One is under way until the last copy is gone.
  std::shared_ptr<const void> Begin() {
    {
      MutexLock lock(mutex_);
      ++count_;
    }
    return {this, [this](const void*) { End(); }};
  }

  // Until there is none, for a moment. cpprestsdk closes streams behind a request's end, in some
  // turns of its queue.
  void Wait() {
    for (int turn = 0; turn < kTurns && WaitForNone(); ++turn)
      pplx::create_task([one = Begin()] {});
    (void)WaitForNone();
  }

 private:
  static constexpr int kTurns = 8;
  static constexpr absl::Duration kPatience = absl::Seconds(1);

  void End() {
    MutexLock lock(mutex_);
    --count_;
    ended_.NotifyAll();
  }

  bool WaitForNone() {
    MutexLock lock(mutex_);
    while (count_ > 0) {
      if (!ended_.WaitFor(mutex_, kPatience)) return false;
    }
    return true;
  }

  Mutex mutex_;
  CondVar ended_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

void StartThreads() {
  [[maybe_unused]] static const bool started = [] {
    try {
      crossplat::threadpool::initialize_with_threads(kThreads);
    } catch (const std::exception&) {  // they run already
    }
    return true;
  }();
  // Made after them, and so gone before.
  struct Exit {
    ~Exit() { UnderWay::Requests().Wait(); }
  };
  static const Exit exit;
}

absl::Status UseTls(ssl::context& context, const TlsFiles& files) {
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  boost::system::error_code error;
  const auto refusal = [&](std::string_view flag) {
    return absl::InvalidArgumentError(
        fmt::format("registry \"consul\": {} (flag --registry_{})", error.message(), flag));
  };
  const auto bytes = [](const std::string& text) { return boost::asio::buffer(text); };
  if (!files.ca.empty()) {
    // In place of the system's roots, which cpprestsdk has loaded.
    SSL_CTX_set_cert_store(context.native_handle(), X509_STORE_new());
    if (context.add_certificate_authority(bytes(files.ca), error)) return refusal("tls_ca");
  }
  if (!files.cert.empty() && context.use_certificate_chain(bytes(files.cert), error))
    return refusal("tls_cert");
  if (!files.key.empty() && context.use_private_key(bytes(files.key), ssl::context::pem, error))
    return refusal("tls_key");
  return absl::OkStatus();
}

// Continuations run where their task ended, in place of one more turn through the pool each.
pplx::task_options AtOnce() {
  struct Scheduler final : pplx::scheduler_interface {
    void schedule(pplx::TaskProc_t run, void* task) override { run(task); }
  };
  static const auto& scheduler = *new std::shared_ptr<Scheduler>(std::make_shared<Scheduler>());
  return pplx::task_options(scheduler);
}

bool IsIpv6(const Address& address) { return address.host.find(':') != std::string::npos; }

http::client::http_client_config Configuration(const Address& address, const Options& options,
                                               const TlsFiles& files) {
  http::client::http_client_config config;
  // Each request has its own end, by its context; this one only has to be later.
  config.set_timeout(std::chrono::minutes(30));
  config.set_max_redirects(0);
  if (!address.tls) return config;
  config.set_ssl_context_callback([files](ssl::context& context) {
    const absl::Status used = UseTls(context, files);
    if (!used.ok()) throw std::runtime_error(std::string(used.message()));
  });
  const bool ip =
      address.host.find_first_not_of("0123456789.") == std::string::npos || IsIpv6(address);
  config.set_tlsext_sni_enabled(!ip || !options.tls_server_name.empty());
  return config;
}

// cpprestsdk hands what stands between "//" and the last colon to the resolver as it is: an IPv6
// address without its brackets.
web::uri UriOf(const Address& address) {
  return web::uri(
      fmt::format("{}://{}:{}", address.tls ? "https" : "http", address.host, address.port));
}

// Over TLS the certificate is checked for this name.
std::string HostOf(const Address& address, const Options& options) {
  if (address.tls) return options.tls_server_name;
  return IsIpv6(address) ? fmt::format("[{}]:{}", address.host, address.port) : "";
}

// What an exception that leaves cpprestsdk means.
absl::Status StatusOf(std::exception_ptr exception, bool too_large) {
  if (too_large) {
    return absl::ResourceExhaustedError(
        fmt::format("an answer of more than {} MiB", kMaxAnswer >> 20));
  }
  try {
    std::rethrow_exception(exception);
  } catch (const http::http_exception& e) {
    const int code = e.error_code().value();
    if (code == EHOSTUNREACH || code == ETIMEDOUT) return absl::UnavailableError(e.what());
    return absl::AbortedError(e.what());
  } catch (const std::exception& e) {
    return absl::UnavailableError(e.what());
  } catch (...) {
    return absl::UnavailableError("an unknown failure of cpprestsdk");
  }
}

std::string HeaderOf(const http::http_response& response, const char* name) {
  const auto header = response.headers().find(name);
  return header == response.headers().end() ? "" : header->second;
}

HttpAnswer AnswerOf(const http::http_response& response) {
  HttpAnswer answer{.status = response.status_code(),
                    .has_leader = HeaderOf(response, "X-Consul-KnownLeader") != "false",
                    .hash = HeaderOf(response, "X-Consul-ContentHash")};
  const std::string index = HeaderOf(response, "X-Consul-Index");
  answer.index = std::strtoull(index.c_str(), nullptr, 10);
  return answer;
}

}  // namespace

struct AgentLink::Http {
  Http(const Address& address, const Options& options, const TlsFiles& files)
      : token(TokenOf(options)),
        host(HostOf(address, options)),
        client(UriOf(address), Configuration(address, options, files)) {}

  const std::string token;
  const std::string host;  // for the header Host; empty: cpprestsdk's own
  http::client::http_client client;
};

AgentLink::AgentLink(std::string url, std::unique_ptr<Http> http)
    : url_(std::move(url)), http_(std::move(http)) {}
AgentLink::~AgentLink() = default;

absl::StatusOr<std::unique_ptr<AgentLink>> AgentLink::Open(const Address& address,
                                                           const Options& options) {
  TlsFiles files;
  if (address.tls) {
    ASSIGN_OR_RETURN(files,
                     ReadTlsFiles({options.tls_ca, options.tls_cert, options.tls_key}, "registry"));
    ssl::context context(ssl::context::tls_client);
    RETURN_IF_ERROR(UseTls(context, files));
  }
  StartThreads();
  try {
    return std::unique_ptr<AgentLink>(
        new AgentLink(address.url(), std::make_unique<Http>(address, options, files)));
  } catch (const std::exception& e) {
    return absl::InvalidArgumentError(fmt::format(
        "registry \"consul\": address {}: {} (flag --registry_address)", address.url(), e.what()));
  }
}

Task<absl::StatusOr<HttpAnswer>> AgentLink::Send(Context ctx, HttpRequest request) {
  CO_RETURN_IF_ERROR(ctx.status());
  const auto slot = std::make_shared<OneShot<HttpAnswer>>();
  pplx::cancellation_token_source source;
  try {
    http::http_request message(request.put ? http::methods::PUT : http::methods::GET);
    message.set_request_uri(web::uri(request.path));
    if (!http_->host.empty()) message.headers().add("Host", http_->host);
    if (!http_->token.empty()) message.headers().add("X-Consul-Token", http_->token);
    if (!request.body.empty()) message.set_body(std::move(request.body), "application/json");
    const auto under_way = UnderWay::Requests().Begin();
    const auto too_large = std::make_shared<std::atomic<bool>>(false);
    message.set_progress_handler(
        [too_large](http::message_direction::direction direction, utility::size64_t size) {
          if (direction != http::message_direction::download || size <= kMaxAnswer) return;
          *too_large = true;
          throw std::length_error("too large");
        });
    http_->client.request(message, source.get_token())
        .then(
            [](http::http_response response) {
              return response.extract_vector().then(
                  [answer = AnswerOf(response)](const std::vector<unsigned char>& body) mutable {
                    answer.body.assign(body.begin(), body.end());
                    return std::move(answer);
                  },
                  AtOnce());
            },
            AtOnce())
        .then(
            [slot, too_large, under_way](pplx::task<HttpAnswer> done) {
              absl::StatusOr<HttpAnswer> answer = absl::UnknownError("");
              try {
                answer = done.get();
              } catch (...) {
                answer = StatusOf(std::current_exception(), *too_large);
              }
              slot->TrySet(std::move(answer));
            },
            AtOnce());
  } catch (...) {
    co_return StatusOf(std::current_exception(), false);
  }
  absl::StatusOr<HttpAnswer> answer = co_await Await(ctx, slot);
  if (!answer.ok()) source.cancel();
  co_return answer;
}

}  // namespace micro::registry::consul
