#include "due/link/connection.h"

#include <algorithm>
#include <utility>

#include "core/clock.h"
#include "core/log.h"

namespace due {

using micro::Clock;

namespace {

// How long a connection's requests hold up the loop's others, and after how many that is looked at.
constexpr absl::Duration kTurn = absl::Microseconds(200);
constexpr int kLook = 16;

// Of a number that one thread writes.
void Count(std::atomic<int64_t>& number) {
  number.store(number.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

// ---- LinkReply ----

LinkReply::LinkReply(std::shared_ptr<LinkConnection> connection, link::Route route, uint64_t seq,
                     absl::Time came)
    : connection_(std::move(connection)), route_(route), seq_(seq), came_(came) {}

LinkReply& LinkReply::operator=(LinkReply&& other) noexcept {
  LinkReply old = std::move(*this);
  connection_ = std::move(other.connection_);
  route_ = other.route_;
  seq_ = other.seq_;
  came_ = other.came_;
  return *this;
}

LinkReply::~LinkReply() {
  if (connection_ == nullptr) return;
  connection_->Answer(route_, seq_, {.code = link::Code::kInternalError}, came_,
                      /*is_from_handler=*/false);
}

void LinkReply::Done(link::Response response) {
  const auto connection = std::exchange(connection_, nullptr);
  if (connection != nullptr)
    connection->Answer(route_, seq_, response, came_, /*is_from_handler=*/true);
}

// ---- LinkConnection ----

// An answer from another thread.
class LinkConnection::Answered final : public micro::net::Turn::Parcel {
 public:
  Answered(std::shared_ptr<LinkConnection> connection, link::Route route, uint64_t seq,
           link::Response response, absl::Time came)
      : connection_(std::move(connection)),
        route_(route),
        seq_(seq),
        response_(response),
        came_(came) {}
  void Open() override { connection_->Put(route_, seq_, response_, came_); }

 private:
  const std::shared_ptr<LinkConnection> connection_;
  const link::Route route_;
  const uint64_t seq_;
  const link::Response response_;
  const absl::Time came_;
};

LinkConnection::LinkConnection(std::unique_ptr<micro::net::Socket> socket,
                               std::shared_ptr<LinkServerLoop> loop,
                               std::shared_ptr<const LinkServerOptions> options,
                               LinkHandler& handler, std::function<void()> on_gone)
    : loop_(std::move(loop)),
      options_(std::move(options)),
      handler_(handler),
      stream_(std::make_shared<LinkStream>(std::move(socket), loop_, options_->stall_timeout)),
      on_gone_(std::move(on_gone)),
      peer_(std::make_shared<const LinkPeer>(LinkPeer{.remote = stream_->remote()})) {}

void LinkConnection::Start() {
  WatchForSilence();
  stream_->Start(shared_from_this());
}

std::optional<LinkEnd> LinkConnection::OnBytes(std::string_view& bytes) {
  absl::Time until = absl::InfiniteFuture();
  for (int taken = 1; !is_ending_ && !stream_->is_ended(); ++taken) {
    if (IsFull()) {
      stream_->Pause();
      return std::nullopt;
    }
    if (taken % kLook == 0) {
      const absl::Time now = Clock::Real().Now();
      if (now > until) {
        stream_->Again();
        return std::nullopt;
      }
      until = std::min(until, now + kTurn);
    }
    const auto frame = link::Take(bytes, options_->frame_bytes);
    if (!frame.ok()) {
      micro::log::Warn("a link is closed, as what came are no frames",
                       {{"peer", peer_->remote}, {"id", peer_->id}, {"error", frame.status()}});
      return absl::IsResourceExhausted(frame.status()) ? LinkEnd::kTooLarge : LinkEnd::kMalformed;
    }
    if (!frame->has_value()) return std::nullopt;
    OnFrame(**frame);
  }
  bytes = {};
  return std::nullopt;
}

void LinkConnection::OnFrame(const link::Frame& frame) {
  Count(loop_->frames_in);
  if (frame.is_heartbeat) return Count(loop_->heartbeats);
  const absl::StatusOr<link::Request> request = link::ParseRequest(frame, loop_->targets);
  if (!request.ok()) {
    Count(absl::IsUnimplemented(request.status()) ? loop_->unknown : loop_->malformed);
    return micro::log::Debug(
        "a link frame is dropped",
        {{"peer", peer_->remote}, {"id", peer_->id}, {"error", request.status()}});
  }
  LinkReply reply;
  if (frame.seq != 0) {
    ++unanswered_;
    reply = LinkReply(shared_from_this(), link::RouteOf(*request), frame.seq, stream_->heard());
  }
  if (const auto* handshake = std::get_if<link::Handshake>(&*request)) {
    peer_ = std::make_shared<const LinkPeer>(LinkPeer{
        .kind = handshake->kind, .id = std::string(handshake->id), .remote = peer_->remote});
    return reply.Done(link::Code::kOk);
  }
  if (!link::IsKnown(*request)) return reply.Done(link::Code::kInternalError);
  handler_.Handle(peer_, *request, std::move(reply));
}

void LinkConnection::Answer(link::Route route, uint64_t seq, link::Response response,
                            absl::Time came, bool is_from_handler) {
  if (!is_from_handler) loop_->unanswered.fetch_add(1, std::memory_order_relaxed);
  if (!loop_->loop().IsCurrent()) {
    loop_->Send(std::make_unique<Answered>(shared_from_this(), route, seq, response, came));
    return;
  }
  loop_->TakeSent();
  Put(route, seq, response, came);
}

void LinkConnection::Put(link::Route route, uint64_t seq, link::Response response,
                         absl::Time came) {
  --unanswered_;
  if (stream_->is_ended()) return Count(loop_->orphaned);
  if (Clock::Real().Now() - came > options_->answer_within) {
    Count(loop_->late);
  } else {
    Count(loop_->answers);
    stream_->Put([&](std::string& out) {
      link::Append(route, seq, response, out);
      return true;
    });
  }
  ReadOn();
}

void LinkConnection::OnWritten(int64_t, int64_t) {
  if (stream_->is_paused()) ReadOn();
}

// After something was answered or written.
void LinkConnection::ReadOn() {
  if (is_ending_ && unanswered_ == 0) return stream_->Finish();
  if (stream_->is_paused() && !IsFull()) stream_->Resume();
}

bool LinkConnection::IsFull() const {
  return unanswered_ >= options_->max_unanswered ||
         stream_->waiting_bytes() >= options_->write_queue_bytes;
}

void LinkConnection::WatchForSilence() {
  if (options_->silence <= absl::ZeroDuration()) return;
  silence_.Set(loop_->deadlines(), Clock::Real().Now() + options_->silence / 2,
               [self = shared_from_this()] {
                 LinkStream& stream = *self->stream_;
                 if (stream.is_ended()) return;
                 // Nobody listens while it is paused.
                 if (stream.is_paused()) stream.set_heard(Clock::Real().Now());
                 if (Clock::Real().Now() - stream.heard() > self->options_->silence)
                   return stream.End(LinkEnd::kSilent);
                 self->WatchForSilence();
               });
}

void LinkConnection::End(bool force) {
  if (force) return stream_->End(LinkEnd::kLocal);
  is_ending_ = true;
  ReadOn();
}

void LinkConnection::OnEnd(LinkEnd end) {
  const auto self = shared_from_this();
  silence_.Clear();
  if (end == LinkEnd::kPeer && !stream_->has_heard()) {
    Count(loop_->probes);
  } else {
    Count(loop_->ended[static_cast<size_t>(end)]);
    const auto level = end == LinkEnd::kSilent || end == LinkEnd::kStalled
                           ? micro::log::Level::kWarn
                           : micro::log::Level::kDebug;
    micro::log::Write(level, "a link from a peer has ended",
                      {{"peer", peer_->remote}, {"id", peer_->id}, {"cause", NameOf(end)}});
  }
  loop_->connections.erase(self);
  std::exchange(on_gone_, nullptr)();
}

}  // namespace due
