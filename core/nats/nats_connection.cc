#include "core/nats/nats_connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/nats/nats_address.h"
#include "core/nats/nats_link.h"
#include "core/nats/nats_session.h"
#include "core/status_macros.h"

namespace micro::nats {

absl::Status CheckSubject(std::string_view subject) {
  const bool bad = subject.empty() || subject.starts_with('.') || subject.ends_with('.') ||
                   subject.find("..") != std::string_view::npos ||
                   std::any_of(subject.begin(), subject.end(),
                               [](unsigned char c) { return c <= ' ' || c == 0x7f; });
  if (!bad) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format(
      "\"{}\" is no NATS subject: words without blanks, joined by dots", subject.substr(0, 200)));
}

Task<absl::Status> Receipt::Wait(Context ctx) const {
  CO_RETURN_IF_ERROR(ctx.status());
  const absl::Status status = (co_await Await(WithTimeout(ctx, limit_), done_)).status();
  if (absl::IsDeadlineExceeded(status) && ctx.status().ok()) {
    co_return absl::UnavailableError(
        fmt::format("NATS gave no answer within {}", absl::FormatDuration(limit_)));
  }
  co_return status;
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Make(ConnectionOptions options) {
  absl::StatusOr<std::vector<Address>> addresses = ParseAddresses(options.addresses);
  if (!addresses.ok()) {
    return absl::InvalidArgumentError(fmt::format(
        "{} (flag --{}_address)", std::string(addresses.status().message()), options.flags));
  }
  RETURN_IF_ERROR(CheckOptions(options));
  return std::unique_ptr<Connection>(
      new Connection(std::make_shared<Link>(std::move(options), *std::move(addresses))));
}

absl::Status Connection::Subscribe(Subscription subscription) {
  RETURN_IF_ERROR(CheckSubject(subscription.subject));
  link_->Subscribe(std::move(subscription));
  return absl::OkStatus();
}

void Connection::Send(const Message& message) { Send(message, nullptr); }

Receipt Connection::Publish(const Message& message) {
  auto done = std::make_shared<OneShot<bool>>();
  Send(message, done);
  return Receipt(std::move(done), link_->limit());
}

Receipt Connection::Flush() {
  auto done = std::make_shared<OneShot<bool>>();
  link_->Enqueue({.work = [](Session&) { return absl::OkStatus(); }, .done = done});
  return Receipt(std::move(done), link_->limit());
}

void Connection::Send(const Message& message, std::shared_ptr<OneShot<bool>> done) {
  link_->Enqueue(
      {.work = [subject = std::string(message.subject), reply = std::string(message.reply),
                payload = std::string(message.payload)](
                   Session& session) { return session.Publish(subject, reply, payload); },
       .bytes = message.subject.size() + message.reply.size() + message.payload.size(),
       .done = std::move(done)});
}

void Connection::Close() { link_->Close(); }

}  // namespace micro::nats
