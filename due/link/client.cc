#include "due/link/client.h"

#include <fmt/format.h>

#include <utility>

#include "core/async.h"
#include "core/status_macros.h"
#include "due/link/line.h"

namespace due {

using micro::Context;
using micro::OneShot;
using micro::Task;
using micro::net::Loop;
using micro::net::Loops;

absl::Status LinkClientOptions::Check() const {
  const auto bad = [](std::string_view option, std::string_view why) {
    return absl::InvalidArgumentError(fmt::format("{} {}", option, why));
  };
  if (id.empty()) return bad("id", "is empty: a peer would not know who we are");
  if (conn_num < 1) return bad("conn_num", "is below 1");
  if (dial_timeout <= absl::ZeroDuration()) return bad("dial_timeout", "is not above zero");
  if (dial_retry_times < 1) return bad("dial_retry_times", "is below 1");
  if (handshake_timeout <= absl::ZeroDuration())
    return bad("handshake_timeout", "is not above zero");
  if (call_timeout < absl::ZeroDuration()) return bad("call_timeout", "is negative");
  if (heartbeat_interval < absl::ZeroDuration()) return bad("heartbeat_interval", "is negative");
  if (stall_timeout <= absl::ZeroDuration()) return bad("stall_timeout", "is not above zero");
  if (write_queue_size < 1) return bad("write_queue_size", "is below 1");
  if (write_queue_bytes < 1) return bad("write_queue_bytes", "is below 1");
  if (short_publish_wait < absl::ZeroDuration()) return bad("short_publish_wait", "is negative");
  return absl::OkStatus();
}

LinkClient::LinkClient(std::string address, LinkClientOptions options, Loops& loops)
    : LinkClient(std::move(address), std::make_shared<const LinkClientOptions>(std::move(options)),
                 std::make_shared<LinkTurns>(loops)) {}

LinkClient::LinkClient(std::string address, std::shared_ptr<const LinkClientOptions> options,
                       std::shared_ptr<LinkTurns> turns)
    : shared_(std::make_shared<LinkShared>(std::move(address), std::move(options))) {
  const size_t place = turns->NextPlace();
  const auto lines = static_cast<size_t>(shared_->options->conn_num);
  {
    micro::MutexLock lock(shared_->mutex);
    shared_->lines = shared_->options->conn_num;
  }
  for (size_t i = 0; i < lines; ++i) {
    lines_.push_back(std::make_shared<LinkLine>(shared_, (*turns)[(place + i) % turns->size()]));
  }
}

LinkClient::~LinkClient() {
  if (!is_closing_) CloseWithin(absl::ZeroDuration());
}

const std::string& LinkClient::address() const { return shared_->address; }

absl::Status LinkClient::Send(uint64_t key, const link::Request& request) {
  return lines_[key % lines_.size()]->Send(request);
}

uint64_t LinkClient::KeyHere(uint64_t key) const {
  const Loop* const here = Loop::Current();
  for (uint64_t i = 0; i < lines_.size(); ++i) {
    const uint64_t line = (key + i) % lines_.size();
    if (&lines_[line]->loop() == here) return line;
  }
  return key;
}

Task<absl::StatusOr<link::Response>> LinkClient::Call(Context ctx, link::Request request) {
  CO_RETURN_IF_ERROR(ctx.status());
  const absl::Duration timeout = shared_->options->call_timeout;
  auto call = std::make_shared<LinkLine::Call>();
  call->ctx = timeout > absl::ZeroDuration() ? micro::WithTimeout(ctx, timeout) : std::move(ctx);
  call->route = link::RouteOf(request);
  call->seq = shared_->last_seq.fetch_add(1, std::memory_order_relaxed) + 1;
  LinkLine& line = *lines_[next_.fetch_add(1, std::memory_order_relaxed) % lines_.size()];
  CO_RETURN_IF_ERROR(line.Ask(request, call));
  co_return co_await call->answer.Wait();
}

void LinkClient::CloseWithin(absl::Duration grace) {
  is_closing_ = true;
  for (const std::shared_ptr<LinkLine>& line : lines_) line->Close(grace);
}

Task<void> LinkClient::WaitForEnd(Context ctx) {
  auto ended = std::make_shared<OneShot<bool>>();
  bool is_ended = false;
  {
    micro::MutexLock lock(shared_->mutex);
    is_ended = shared_->lines == 0;
    if (!is_ended) shared_->waiters.push_back(ended);
  }
  if (!is_ended) (void)co_await micro::Await(ctx, ended);
}

Task<void> LinkClient::Close(Context ctx) {
  CloseWithin(absl::InfiniteDuration());
  co_await WaitForEnd(ctx);
  CloseWithin(absl::ZeroDuration());
  co_await WaitForEnd(Context());
  co_await micro::Offload([] {});
}

LinkClientCounts LinkClient::counts() const {
  LinkClientCounts counts{.opened = shared_->opened,
                          .failed = shared_->failed,
                          .open = shared_->open,
                          .frames_out = shared_->frames_out,
                          .calls = shared_->calls,
                          .answered = shared_->answered,
                          .unexpected = shared_->unexpected,
                          .short_publishes = shared_->short_publishes};
  for (const std::shared_ptr<LinkLine>& line : lines_) counts.queued += line->queued();
  for (size_t i = 0; i < kLinkDrops; ++i) counts.dropped[i] = shared_->dropped[i];
  for (size_t i = 0; i < kLinkEnds; ++i) counts.ended[i] = shared_->ended[i];
  return counts;
}

}  // namespace due
