#include "core/nats/nats_session.h"

#include <fmt/format.h>
#include <nats/nats.h>

#include <unordered_map>
#include <utility>

#include "core/log.h"
#include "core/mutex.h"
#include "core/status_macros.h"

namespace micro::nats {
namespace {

// libnats may call back after a subscription or connection was closed: what it gets is a number,
// behind which there is nothing then.
template <class Target>
class Closures {
 public:
  static Closures& Get() {
    static Closures& closures = *new Closures;
    return closures;
  }

  void* Add(const std::shared_ptr<Target>& target) {
    MutexLock lock(mutex_);
    targets_.emplace(++last_, target);
    return reinterpret_cast<void*>(last_);
  }
  void Remove(void* closure) {
    MutexLock lock(mutex_);
    targets_.erase(reinterpret_cast<uintptr_t>(closure));
  }
  std::shared_ptr<Target> Find(void* closure) {
    MutexLock lock(mutex_);
    const auto found = targets_.find(reinterpret_cast<uintptr_t>(closure));
    return found == targets_.end() ? nullptr : found->second.lock();
  }

 private:
  Mutex mutex_;
  uintptr_t last_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unordered_map<uintptr_t, std::weak_ptr<Target>> targets_ ABSL_GUARDED_BY(mutex_);
};
using Handlers = Closures<const Subscription>;
using Losses = Closures<const Session::OnLost>;

// What libnats says of a call that failed on this thread.
std::string TextOf(natsStatus status) {
  natsStatus last = NATS_OK;
  const char* text = nats_GetLastError(&last);
  std::string_view detail = last == status && text != nullptr ? text : "";
  if (detail.starts_with('(')) {  // "(file:line): "
    if (const size_t end = detail.find("): "); end != std::string_view::npos)
      detail.remove_prefix(end + 3);
  }
  return detail.empty() ? natsStatus_GetText(status) : std::string(detail);
}

void OnMessage(natsConnection*, natsSubscription*, natsMsg* message, void* closure) {
  if (const auto subscription = Handlers::Get().Find(closure)) {
    const char* reply = natsMsg_GetReply(message);
    subscription->handle({.subject = natsMsg_GetSubject(message),
                          .reply = reply != nullptr ? reply : "",
                          .payload = {natsMsg_GetData(message),
                                      static_cast<size_t>(natsMsg_GetDataLength(message))}});
  }
  natsMsg_Destroy(message);
}

void OnClosed(natsConnection* connection, void* closure) {
  const auto on_lost = Losses::Get().Find(closure);
  if (on_lost == nullptr) return;
  const char* text = nullptr;
  const natsStatus status = natsConnection_GetLastError(connection, &text);
  (*on_lost)(absl::UnavailableError(
      text != nullptr && text[0] != '\0' ? text : natsStatus_GetText(status)));
}

void OnError(natsConnection* connection, natsSubscription* subscription, natsStatus status, void*) {
  const char* subject =
      subscription != nullptr ? natsSubscription_GetSubject(subscription) : nullptr;
  if (status == NATS_SLOW_CONSUMER) {
    log::Error("a NATS subscription is too far behind; messages were dropped",
               {{"subject", subject != nullptr ? subject : ""}});
    return;
  }
  const char* text = nullptr;
  natsConnection_GetLastError(connection, &text);
  log::Error("the NATS server reports an error",
             {{"error", text != nullptr && text[0] != '\0' ? text : natsStatus_GetText(status)}});
}

using OptionsPtr = std::unique_ptr<natsOptions, decltype(&natsOptions_Destroy)>;

absl::StatusOr<OptionsPtr> NewOptions() {
  natsOptions* made = nullptr;
  if (const natsStatus status = natsOptions_Create(&made); status != NATS_OK) {
    return absl::UnavailableError(fmt::format("libnats: {}", natsStatus_GetText(status)));
  }
  return OptionsPtr(made, natsOptions_Destroy);
}

absl::Status SetTls(const ConnectionOptions& from, natsOptions* options) {
  if (from.tls_cert.empty() != from.tls_key.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("--{0}_tls_cert and --{0}_tls_key go together: only one is set", from.flags));
  }
  if (!from.tls_ca.empty()) {
    const natsStatus status = natsOptions_LoadCATrustedCertificates(options, from.tls_ca.c_str());
    if (status != NATS_OK) {
      return absl::InvalidArgumentError(fmt::format("cannot use {} (flag --{}_tls_ca): {}",
                                                    from.tls_ca, from.flags, TextOf(status)));
    }
  }
  if (!from.tls_cert.empty()) {
    const natsStatus status =
        natsOptions_LoadCertificatesChain(options, from.tls_cert.c_str(), from.tls_key.c_str());
    if (status != NATS_OK) {
      return absl::InvalidArgumentError(
          fmt::format("cannot use {} and {} (flags --{}_tls_cert and --{}_tls_key): {}",
                      from.tls_cert, from.tls_key, from.flags, from.flags, TextOf(status)));
    }
  }
  return absl::OkStatus();
}

natsStatus SetAll(const ConnectionOptions& from, const Address& address, natsOptions* options,
                  void* on_lost) {
  natsStatus first_failure = NATS_OK;
  const auto set = [&](natsStatus status) {
    if (first_failure == NATS_OK) first_failure = status;
  };
  set(natsOptions_SetURL(options, ("nats://" + address.text()).c_str()));
  const int64_t patience_ms = absl::ToInt64Milliseconds(from.patience);
  set(natsOptions_SetTimeout(options, patience_ms));
  set(natsOptions_SetWriteDeadline(options, patience_ms));
  set(natsOptions_SetPingInterval(options, 2 * patience_ms));
  set(natsOptions_SetMaxPingsOut(options, 2));
  // Connection seeks the next server, and knows why the last one would not do.
  set(natsOptions_SetAllowReconnect(options, false));
  set(natsOptions_SetIgnoreDiscoveredServers(options, true));
  set(natsOptions_SetSendAsap(options, true));               // else each message waits for 1 ms
  set(natsOptions_UseGlobalMessageDelivery(options, true));  // else each subscription has a thread
  set(natsOptions_DisableNoResponders(options, true));
  set(natsOptions_SetClosedCB(options, OnClosed, on_lost));
  set(natsOptions_SetErrorHandler(options, OnError, nullptr));
  if (!from.username.empty()) {
    set(natsOptions_SetUserInfo(options, from.username.c_str(), from.password.c_str()));
  }
  if (!from.token.empty()) set(natsOptions_SetToken(options, from.token.c_str()));
  if (from.tls || address.tls || !from.tls_ca.empty() || !from.tls_cert.empty()) {
    set(natsOptions_SetSecure(options, true));
  }
  if (!from.tls_server_name.empty()) {  // else libnats takes the address's host
    set(natsOptions_SetExpectedHostname(options, from.tls_server_name.c_str()));
  }
  return first_failure;
}

}  // namespace

absl::Status CheckOptions(const ConnectionOptions& options) {
  ASSIGN_OR_RETURN(const OptionsPtr made, NewOptions());
  return SetTls(options, made.get());
}

Session::Session(absl::Duration patience, OnLost on_lost)
    : patience_ms_(absl::ToInt64Milliseconds(patience)),
      on_lost_(std::make_shared<const OnLost>(std::move(on_lost))),
      on_lost_closure_(Losses::Get().Add(on_lost_)) {}

absl::StatusOr<std::unique_ptr<Session>> Session::Open(const ConnectionOptions& options,
                                                       const Address& address, OnLost on_lost) {
  std::unique_ptr<Session> session(new Session(options.patience, std::move(on_lost)));
  RETURN_IF_ERROR(session->Connect(options, address));
  return session;
}

absl::Status Session::Connect(const ConnectionOptions& from, const Address& address) {
  ASSIGN_OR_RETURN(const OptionsPtr options, NewOptions());
  RETURN_IF_ERROR(SetTls(from, options.get()));
  natsStatus status = SetAll(from, address, options.get(), on_lost_closure_);
  if (status == NATS_OK) status = natsConnection_Connect(&connection_, options.get());
  if (status == NATS_CONNECTION_AUTH_FAILED) {
    return absl::UnavailableError(fmt::format("{} (flags --{}_username, --{}_password, --{}_token)",
                                              TextOf(status), from.flags, from.flags, from.flags));
  }
  if (status != NATS_OK) return absl::UnavailableError(TextOf(status));
  natsInbox* inbox = nullptr;
  status = natsInbox_Create(&inbox);
  if (status == NATS_OK) {
    echo_subject_ = inbox;
    natsInbox_Destroy(inbox);
    status = natsConnection_SubscribeSync(&echo_, connection_, echo_subject_.c_str());
  }
  return status == NATS_OK ? absl::OkStatus() : absl::UnavailableError(TextOf(status));
}

Session::~Session() {
  Losses::Get().Remove(on_lost_closure_);
  for (void* closure : closures_) Handlers::Get().Remove(closure);
  natsConnection_Close(connection_);
  for (natsSubscription* subscription : subscriptions_) natsSubscription_Destroy(subscription);
  natsSubscription_Destroy(echo_);
  natsConnection_Destroy(connection_);
}

absl::Status Session::Subscribe(std::shared_ptr<const Subscription> subscription) {
  closures_.push_back(Handlers::Get().Add(subscription));
  natsSubscription* made = nullptr;
  natsStatus status = natsConnection_Subscribe(&made, connection_, subscription->subject.c_str(),
                                               OnMessage, closures_.back());
  if (made != nullptr) subscriptions_.push_back(made);
  if (status == NATS_OK) {
    status = natsSubscription_SetPendingLimits(made, subscription->max_pending_messages,
                                               subscription->max_pending_bytes);
  }
  if (status == NATS_OK) return absl::OkStatus();
  return absl::UnavailableError(
      fmt::format("subscribing to \"{}\": {}", subscription->subject, TextOf(status)));
}

absl::Status Session::Publish(const std::string& subject, const std::string& reply,
                              const std::string& payload) {
  RETURN_IF_ERROR(CheckSubject(subject));
  if (!reply.empty()) RETURN_IF_ERROR(CheckSubject(reply));
  const int size = static_cast<int>(payload.size());
  const natsStatus status =
      reply.empty() ? natsConnection_Publish(connection_, subject.c_str(), payload.data(), size)
                    : natsConnection_PublishRequest(connection_, subject.c_str(), reply.c_str(),
                                                    payload.data(), size);
  switch (status) {
    case NATS_OK:
      return absl::OkStatus();
    case NATS_MAX_PAYLOAD:
      return absl::InvalidArgumentError(
          fmt::format("a message of {} bytes to \"{}\": this NATS server takes {} at most "
                      "(max_payload of its configuration)",
                      size, subject, natsConnection_GetMaxPayload(connection_)));
    default:
      return absl::UnavailableError(TextOf(status));
  }
}

// A message to ourselves. (libnats' own flush answers OK when its PING could not be written.)
absl::Status Session::RoundTrip() {
  const std::string sent = fmt::format("{}", ++echoes_);
  RETURN_IF_ERROR(Publish(echo_subject_, "", sent));
  natsMsg* message = nullptr;
  const natsStatus status = natsSubscription_NextMsg(&message, echo_, patience_ms_);
  if (status != NATS_OK) {
    return absl::UnavailableError(status == NATS_TIMEOUT
                                      ? fmt::format("no answer within {} ms", patience_ms_)
                                      : TextOf(status));
  }
  const std::string_view got(natsMsg_GetData(message),
                             static_cast<size_t>(natsMsg_GetDataLength(message)));
  const bool same = got == sent;
  natsMsg_Destroy(message);
  return same ? absl::OkStatus() : absl::UnavailableError("a stranger writes to our own subject");
}

}  // namespace micro::nats
