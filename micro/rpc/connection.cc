#include "micro/rpc/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/errors.h"
#include "core/log.h"
#include "core/strings.h"
#include "micro/rpc/body.h"
#include "micro/rpc/response.h"
#include "micro/rpc/server_call.h"
#include "micro/rpc/server_stream.h"

namespace micro::rpc {
namespace {

constexpr size_t kFirstRead = 4 << 10;  // and room for what most connections ever hold
constexpr size_t kMostRead = 64 << 10;
constexpr size_t kWritePiece = 256 << 10;  // a peer that takes one is alive
constexpr size_t kKeptOutput = 64 << 10;
constexpr size_t kRememberedStreams = 64;

absl::Status Gone() { return absl::CancelledError("the caller is gone"); }

}  // namespace

void Connection::Start(std::shared_ptr<ServerState> state, OnLoop& on,
                       std::unique_ptr<net::Socket> socket) {
  const Ptr connection(new Connection(std::move(state), on, std::move(socket)));
  connection->StartRead();
}

Connection::Connection(std::shared_ptr<ServerState> state, OnLoop& on,
                       std::unique_ptr<net::Socket> socket)
    : state_(std::move(state)),
      on_(on),
      socket_(std::move(socket)),
      local_(socket_->local()),
      remote_(socket_->remote()),
      reader_(HttpReader::kRequests, state_->http),
      read_size_(kFirstRead),
      began_(on.tick()),
      last_read_(on.tick()),
      last_write_(on.tick()),
      last_end_(on.tick()) {
  on_.Add(*this);
}

Connection::~Connection() {
  if (!closed_) on_.Remove(*this);  // the loop is gone, and what was under way with it
  on_.Rebuffer(buffered_, 0);
  state_->Leave();
}

// ---- Reading ----

bool Connection::IsPaused() const {
  return answers_.size() >= state_->limits.calls || IsFull() ||
         std::any_of(streams_.begin(), streams_.end(),
                     [](const auto& stream) { return stream->IsFull(); });
}

void Connection::StartRead() {
  if (reading_ || closed_ || peer_ended_) return;
  if (!last_taken_ && IsPaused()) return;
  char* space = reader_.Space(read_size_);
  const size_t before = std::exchange(buffered_, reader_.BufferSize());
  on_.Rebuffer(before, buffered_);
  if (buffered_ > kMostRead && buffered_ > before && !last_taken_ &&
      on_.buffered() > state_->limits.unfinished_bytes) {
    Refuse(503, "too many requests are not whole yet");
    return Flush();
  }
  reading_ = true;
  socket_->Read(space, reader_.SpaceLeft(), [self = Ptr(this)](absl::Status status, size_t count) {
    self->OnRead(std::move(status), count);
  });
}

void Connection::OnRead(absl::Status status, size_t count) {
  reading_ = false;
  if (closed_) return;
  if (!status.ok()) return OnReadEnd(status);
  if (last_taken_) return StartRead();
  if (count == reader_.SpaceLeft()) read_size_ = std::min(read_size_ * 2, kMostRead);
  reader_.Commit(count);
  last_read_ = on_.tick();
  Turn();
}

void Connection::OnReadEnd(const absl::Status& status) {
  if (!absl::IsOutOfRange(status) || lingering_) return Close();
  // The peer may have ended its side alone: what still comes of its calls is written.
  peer_ended_ = last_taken_ = true;
  EndCalls(Gone());
  EndIfQuiet();
}

void Connection::Turn() {
  bool all = false;
  do {
    turning_ = true;
    all = TakeMessages();
    turning_ = false;
    Flush();
  } while (!all && !closed_ && !last_taken_ && !IsPaused());
  if (!closed_) StartRead();
}

bool Connection::TakeMessages() {
  while (!closed_ && !last_taken_) {
    if (IsPaused()) return false;
    const absl::StatusOr<const HttpMessage*> next = reader_.Next();
    if (!next.ok()) {
      Refuse(reader_.refusal(), ToStd(next.status().message()));
      break;
    }
    if (*next == nullptr) {
      if (reader_.TakeExpectation())
        AnswerNow({.ready = true, .interim = true, .text = std::string(kContinue)});
      if (reader_.InMessage() && !std::exchange(in_message_, true)) began_ = on_.tick();
      break;
    }
    in_message_ = false;
    Take(**next);
  }
  return true;
}

void Connection::Take(const HttpMessage& message) {
  Incoming incoming = ReadIncoming(message, local_, remote_);
  if (!incoming.topic.empty()) {
    const std::string error = errors::ToJson(errors::FromStatus(errors::NotImplemented(
        state_->service,
        "%s: messages are published through a broker, this server takes none (Micro-Topic)",
        std::string(incoming.topic))));
    Answer answer{.ready = true, .last = !message.keep_alive};
    AppendError(incoming.echo, "text/plain", error, "", answer.text);
    return AnswerNow(std::move(answer));
  }
  if (!incoming.stream.empty() && !incoming.legacy)
    return TakeForStream(message, std::move(incoming));
  Answer& answer = answers_.emplace_back();
  if (!message.keep_alive) answer.last = last_taken_ = true;
  StartCall(*this, answer, message, std::move(incoming));
}

void Connection::TakeForStream(const HttpMessage& message, Incoming incoming) {
  const auto stream = std::find_if(streams_.begin(), streams_.end(),
                                   [&](const auto& open) { return open->id() == incoming.stream; });
  if (stream != streams_.end()) {
    const std::shared_ptr<ServerStream> keep = *stream;
    if (incoming.error.empty()) return keep->Push(message.body);
    return keep->EndReceiving(incoming.error == kEndOfStream ? "" : incoming.error);
  }
  if (!incoming.error.empty()) {  // the end of what has ended: a client closes after it
    last_taken_ = true;
    return;
  }
  if (std::find(ended_streams_.begin(), ended_streams_.end(), incoming.stream) !=
      ended_streams_.end()) {
    return;
  }
  OpenStream(std::move(incoming));
}

// The body of a stream's first request is empty, or means nothing: the messages follow.
void Connection::OpenStream(Incoming incoming) {
  const auto fail = [&](std::string_view error) {
    std::string text;
    AppendError(incoming.echo, BareContentType(incoming.content_type), error, "", text);
    Send(text);
    RememberStream(incoming.stream);
  };
  const auto fail_as = [&](const absl::Status& error) {
    fail(errors::ToJson(errors::FromStatus(error, state_->service)));
  };
  const absl::StatusOr<BodyFormat> format = BodyFormat::Of(incoming.content_type);
  if (!format.ok()) {
    return fail_as(errors::InternalServerError(state_->service, ToStd(format.status().message())));
  }
  const ServedEndpoint* endpoint = state_->endpoints.Find(incoming.endpoint);
  if (endpoint == nullptr) return fail(state_->endpoints.WhyNot(incoming.endpoint));
  if (endpoint->endpoint.method.kind == MethodKind::kUnary) {
    return fail_as(errors::BadRequest(state_->service,
                                      "%s is no stream, but its request bears a "
                                      "Micro-Stream header",
                                      std::string(incoming.endpoint)));
  }
  if (streams_.size() == state_->limits.streams ||
      incoming.stream.size() > state_->limits.stream_id_bytes) {
    return fail_as(errors::TooManyRequests(state_->service, "more than %d streams on a connection",
                                           state_->limits.streams));
  }
  streams_.push_back(
      std::make_shared<ServerStream>(*this, *endpoint, *format, std::move(incoming)));
  const std::shared_ptr<ServerStream> keep = streams_.back();
  keep->Start();
}

void Connection::Refuse(int status, std::string_view why) {
  log::Debug("refusing a connection's bytes", {{"remote", remote_}, {"why", why}});
  for (const auto& stream : std::vector(streams_)) stream->Abort(Gone());
  Answer answer{.ready = true, .last = true};
  AppendRefusal(status, why, answer.text);
  AnswerNow(std::move(answer));
}

void Connection::ReadOn() { ContinueSoon(); }

// ---- Answers ----

void Connection::Finish(Answer& answer, std::string_view text) {
  if (closed_) return;
  last_end_ = on_.tick();
  if (&answer != &answers_.front()) {
    answer.ready = true;
    answer.text = text;
    held_ += text.size();
  } else {
    PutOut(answer, text);
    answers_.pop_front();
    while (!answers_.empty() && answers_.front().ready) {
      held_ -= answers_.front().text.size();
      PutOut(answers_.front(), answers_.front().text);
      answers_.pop_front();
    }
  }
  ContinueSoon();
}

void Connection::AnswerNow(Answer answer) {
  if (answer.last) last_taken_ = true;
  Answer& added = answers_.emplace_back(std::move(answer));
  if (answers_.size() > 1) {
    held_ += added.text.size();
    return;
  }
  PutOut(added, added.text);
  answers_.pop_front();
}

void Connection::PutOut(const Answer& answer, std::string_view text) {
  const bool is_refusal = answer.last && !text.starts_with(kStatusLine);
  const bool nothing_follows = answers_.size() == 1 && streams_.empty() && !answer.interim &&
                               (last_taken_ || !reader_.InMessage());
  if (draining_ && nothing_follows) last_taken_ = true;
  last_said_ = is_refusal || (last_taken_ && nothing_follows);
  // Who hears it early goes elsewhere in time; who does not listen is served on.
  const bool told = last_said_ || (state_->leaving && nothing_follows);
  if (told && !is_refusal) {
    out_.append(kStatusLine).append("Connection: close\r\n");
    text.remove_prefix(kStatusLine.size());
  }
  out_.append(text);
}

// ---- Streams ----

void Connection::Send(std::string_view response) {
  if (closed_ || last_said_) return;
  out_.append(response);
  ContinueSoon();
}

bool Connection::IsFull() const { return Unsent() >= state_->limits.unsent_bytes; }

void Connection::EndStream(ServerStream& stream) {
  last_end_ = on_.tick();
  RememberStream(stream.id());
  std::erase_if(streams_, [&](const auto& open) { return open.get() == &stream; });
  ContinueSoon();
}

void Connection::RememberStream(std::string_view id) {
  ended_streams_.emplace_back(id.substr(0, state_->limits.stream_id_bytes));
  if (ended_streams_.size() > kRememberedStreams) ended_streams_.pop_front();
}

void Connection::WakeSenders() {
  if (streams_.empty() || IsFull()) return;
  for (const auto& stream : std::vector(streams_)) stream->WakeSender();
}

// ---- Writing ----

void Connection::ContinueSoon() {
  if (turning_ || closed_ || std::exchange(continuing_, true)) return;
  loop().Post([self = Ptr(this)] { self->Continue(); });
}

void Connection::Continue() {
  continuing_ = false;
  if (closed_) return;
  if (reading_ || last_taken_) return Flush();
  began_ = last_read_ = on_.tick();  // the peer could not go on meanwhile
  Turn();
}

void Connection::Flush() {
  if (closed_ || writing_) return;
  if (!out_.empty()) {
    const size_t count = socket_->TryWrite(out_);
    if (count < out_.size()) {
      sending_.swap(out_);
      sent_ = count;
      last_write_ = on_.tick();
      WriteOn();
    }
    out_.clear();
    if (out_.capacity() > kKeptOutput) out_ = std::string();
  }
  WakeSenders();
  EndIfQuiet();
}

void Connection::WriteOn() {
  writing_ = true;
  const std::string_view piece = std::string_view(sending_).substr(sent_, kWritePiece);
  socket_->Write(piece, [self = Ptr(this), size = piece.size()](absl::Status status) {
    if (self->closed_) return;
    if (!status.ok()) return self->Close();
    self->last_write_ = self->on_.tick();
    self->sent_ += size;
    if (self->sent_ < self->sending_.size()) return self->WriteOn();
    self->writing_ = false;
    self->sending_ = std::string();
    self->sent_ = 0;
    self->Continue();
  });
}

// ---- The end ----

bool Connection::IsQuiet() const {
  return answers_.empty() && streams_.empty() && out_.empty() && !writing_ &&
         (last_taken_ || !reader_.InMessage());
}

void Connection::EndIfQuiet() {
  if (closed_ || lingering_) return;
  if (cancelled_ && answers_.empty() && streams_.empty()) return Close();
  if (!IsQuiet()) return;
  if (peer_ended_) return Close();
  if (!last_taken_) {
    if (!draining_) return;
    // Not after streams: their last message was the end of them.
    if (ended_streams_.empty()) return SayFarewell();
  }
  last_taken_ = lingering_ = true;
  began_ = on_.tick();
  socket_->EndWrites();
  StartRead();
}

// HTTP's own word for "no request of yours has come": a peer whose request is on its way knows that
// nobody will see it.
void Connection::SayFarewell() {
  last_taken_ = last_said_ = true;
  AppendRefusal(408, "the server is stopping", out_);
  Flush();
}

void Connection::Tick() {
  const auto longer_than = [&](uint64_t since, absl::Duration most) {
    return on_.tick() - since > on_.TicksOf(most);
  };
  const ServerLimits& limits = state_->limits;
  if (closed_) return;
  if (cancelled_ && answers_.empty() && streams_.empty() &&
      longer_than(last_write_, limits.linger)) {
    Close();  // the peer does not even take the last answers
  } else if (lingering_) {
    if (longer_than(began_, limits.linger)) Close();
  } else if (writing_ && longer_than(last_write_, limits.idle_timeout)) {
    log::Debug("a peer takes no answers", {{"remote", remote_}});
    Close();
  } else if (!reading_ || last_taken_) {
    return;  // it is not the peer that is waited for
  } else if (reader_.InMessage()) {
    if (longer_than(reader_.InBody() ? last_read_ : began_, limits.message_timeout)) {
      Refuse(408, "the request does not come on");
      Flush();
    }
  } else if (answers_.empty() && streams_.empty() &&
             longer_than(std::max(last_read_, last_end_), limits.idle_timeout)) {
    Close();
  }
}

void Connection::Drain() {
  if (closed_) return;
  draining_ = true;
  EndIfQuiet();
}

void Connection::Cancel() {
  if (closed_) return;
  if (lingering_) return Close();
  draining_ = cancelled_ = true;
  EndCalls(absl::CancelledError("the server is stopping"));
  Flush();
}

void Connection::EndCalls(const absl::Status& why) {
  const Ptr keep(this);
  if (!answers_.empty()) stop_.request_stop();
  for (const auto& stream : std::vector(streams_)) stream->Abort(why);
}

void Connection::Close() {
  if (std::exchange(closed_, true)) return;
  const Ptr keep(this);
  socket_->Close();
  on_.Remove(*this);
  EndCalls(Gone());
}

}  // namespace micro::rpc
