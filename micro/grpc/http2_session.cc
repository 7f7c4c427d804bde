#include "micro/grpc/http2_session.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

#include "micro/wire.h"

namespace micro::grpc_wire {
namespace {

constexpr size_t kReadSize = 32 << 10;
constexpr uint32_t kStreamWindow = 256 << 10;
constexpr int32_t kConnectionWindow = 4 << 20;
constexpr uint32_t kMaxHeaderList = 16 << 10;
constexpr size_t kMaxUnsent = 1 << 20;  // of the connection, before nghttp2 is asked for more

}  // namespace

// What nghttp2 calls. None of these may enter nghttp2 again: what does is put off by Flush.
struct Http2Session::Callbacks {
  static Http2Session& Of(void* user) { return *static_cast<Http2Session*>(user); }

  static Stream* Find(void* user, int32_t id) {
    auto& streams = Of(user).streams_;
    const auto found = streams.find(id);
    return found == streams.end() ? nullptr : &found->second;
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                      void* user) {
    Stream* stream = Find(user, frame->hd.stream_id);
    if (stream == nullptr) return 0;
    stream->answered = true;
    stream->events->OnHeader({reinterpret_cast<const char*>(name), name_size},
                             {reinterpret_cast<const char*>(value), value_size});
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_SETTINGS) Of(user).greeted_ = true;
    if (frame->hd.type == NGHTTP2_HEADERS) {
      if (Stream* stream = Find(user, frame->hd.stream_id)) stream->events->OnHeadersEnd();
    }
    return 0;
  }

  static int OnData(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes,
                    size_t size, void* user) {
    Stream* stream = Find(user, id);
    if (stream == nullptr) {
      nghttp2_session_consume(session, id, size);
      return 0;
    }
    const std::shared_ptr<Http2Events> events = stream->events;
    events->OnData({reinterpret_cast<const char*>(bytes), size});
    return 0;
  }

  static int OnClose(nghttp2_session*, int32_t id, uint32_t error, void* user) {
    absl::Status status;
    if (error == NGHTTP2_REFUSED_STREAM) {
      status = MarkUnsent(absl::UnavailableError("the server refused the call"));
    } else if (error == NGHTTP2_CANCEL) {
      status = absl::CancelledError("the server cancelled the call");
    } else if (error != NGHTTP2_NO_ERROR) {
      status = absl::InternalError(
          fmt::format("the server reset the call: {}", nghttp2_http2_strerror(error)));
    }
    Of(user).End(id, std::move(status));
    return 0;
  }

  static ssize_t ReadUnsent(nghttp2_session*, int32_t id, uint8_t* buffer, size_t size,
                            uint32_t* flags, nghttp2_data_source*, void* user) {
    Stream* stream = Find(user, id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const size_t count = std::min(size, stream->unsent.size() - stream->taken);
    std::memcpy(buffer, stream->unsent.data() + stream->taken, count);
    stream->taken += count;
    const bool all = stream->taken == stream->unsent.size();
    if (all) {
      stream->unsent.clear();
      stream->taken = 0;
      if (stream->end) *flags |= NGHTTP2_DATA_FLAG_EOF;
      if (count > 0) Of(user).loop_.Post([events = stream->events] { events->OnDrained(); });
    }
    return count == 0 && !stream->end ? NGHTTP2_ERR_DEFERRED : static_cast<ssize_t>(count);
  }
};

void Http2Session::Connect(net::Loop& loop, const std::string& address,
                           std::shared_ptr<const net::Tls> tls, absl::Duration timeout,
                           OnConnected connected) {
  net::Connect(loop, address, std::move(tls), timeout,
               [&loop, connected = std::move(connected)](
                   absl::StatusOr<std::unique_ptr<net::Socket>> socket) mutable {
                 if (!socket.ok()) return std::move(connected)(socket.status());
                 std::shared_ptr<Http2Session> session(new Http2Session(loop, *std::move(socket)));
                 const absl::Status started = session->Start();
                 if (!started.ok()) return std::move(connected)(started);
                 session->Read();
                 session->Flush();
                 std::move(connected)(std::move(session));
               });
}

Http2Session::Http2Session(net::Loop& loop, std::unique_ptr<net::Socket> socket)
    : loop_(loop), socket_(std::move(socket)), buffer_(new char[kReadSize]) {}

Http2Session::~Http2Session() { nghttp2_session_del(session_); }

absl::Status Http2Session::Start() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_option* options = nullptr;
  if (nghttp2_session_callbacks_new(&callbacks) != 0 || nghttp2_option_new(&options) != 0)
    return absl::ResourceExhaustedError("no memory for an HTTP/2 session");
  nghttp2_session_callbacks_set_on_header_callback(callbacks, Callbacks::OnHeader);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, Callbacks::OnFrame);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, Callbacks::OnData);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, Callbacks::OnClose);
  nghttp2_option_set_no_auto_window_update(options, 1);
  const int made = nghttp2_session_client_new2(&session_, callbacks, this, options);
  nghttp2_option_del(options);
  nghttp2_session_callbacks_del(callbacks);
  if (made != 0) return absl::InternalError(nghttp2_strerror(made));
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxHeaderList},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  return absl::OkStatus();
}

bool Http2Session::usable() const {
  return lost_.ok() && nghttp2_session_check_request_allowed(session_) != 0;
}

absl::StatusOr<int32_t> Http2Session::Open(const Headers& headers,
                                           std::shared_ptr<Http2Events> events) {
  if (!usable()) return MarkUnsent(absl::UnavailableError("the connection is closing"));
  std::vector<nghttp2_nv> pairs;
  pairs.reserve(headers.size());
  for (const auto& [name, value] : headers) {
    const auto bytes = [](const std::string& text) {
      return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
    };
    pairs.push_back({bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE});
  }
  nghttp2_data_provider provider = {};
  provider.read_callback = Callbacks::ReadUnsent;
  const int32_t id =
      nghttp2_submit_request(session_, nullptr, pairs.data(), pairs.size(), &provider, nullptr);
  if (id < 0) return MarkUnsent(absl::UnavailableError(nghttp2_strerror(id)));
  streams_[id].events = std::move(events);
  Flush();
  return id;
}

void Http2Session::Write(int32_t id, std::string_view bytes, bool end) {
  const auto stream = streams_.find(id);
  if (stream == streams_.end()) return;
  stream->second.unsent.append(bytes);
  stream->second.end |= end;
  nghttp2_session_resume_data(session_, id);
  Flush();
}

size_t Http2Session::Unsent(int32_t id) const {
  const auto stream = streams_.find(id);
  return stream == streams_.end() ? 0 : stream->second.unsent.size() - stream->second.taken;
}

void Http2Session::Consume(int32_t id, size_t bytes) {
  if (!lost_.ok()) return;
  nghttp2_session_consume(session_, id, bytes);
  Flush();
}

void Http2Session::Reset(int32_t id) {
  if (streams_.erase(id) == 0 || !lost_.ok()) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  Flush();
}

void Http2Session::Close(absl::Status why) {
  if (!lost_.ok()) return;
  const std::shared_ptr<Http2Session> self = shared_from_this();
  lost_ = std::move(why);
  socket_->Close();
  while (!streams_.empty()) {
    const auto& [id, stream] = *streams_.begin();
    // What never spoke HTTP/2 cannot have begun a call.
    const bool begun = greeted_ || stream.answered;
    End(id, begun ? lost_ : MarkUnsent(lost_));
  }
}

bool Http2Session::Over() const {
  return nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
}

absl::Status Http2Session::WhyOver() const {
  return absl::UnavailableError(greeted_ ? "the server ended the connection"
                                         : "what answers does not speak HTTP/2");
}

void Http2Session::End(int32_t id, absl::Status status) {
  const auto stream = streams_.find(id);
  if (stream == streams_.end()) return;
  const std::shared_ptr<Http2Events> events = std::move(stream->second.events);
  streams_.erase(stream);
  events->OnEnd(std::move(status));
}

void Http2Session::Read() {
  socket_->Read(
      buffer_.get(), kReadSize, [self = shared_from_this()](absl::Status status, size_t count) {
        if (!self->lost_.ok()) return;
        if (!status.ok()) {
          return self->Close(absl::UnavailableError(
              absl::IsOutOfRange(status) ? "the server closed the connection" : status.message()));
        }
        const ssize_t used = nghttp2_session_mem_recv(
            self->session_, reinterpret_cast<const uint8_t*>(self->buffer_.get()), count);
        if (!self->lost_.ok()) return;
        if (used < 0 || self->Over()) return self->Close(self->WhyOver());
        self->Flush();
        self->Read();
      });
}

// Writes what nghttp2 has to send, later in this turn of the loop: nghttp2 may be running now, and
// more may come to go with it.
void Http2Session::Flush() {
  if (flush_posted_ || writing_ || !lost_.ok()) return;
  flush_posted_ = true;
  loop_.Post([self = shared_from_this()] {
    self->flush_posted_ = false;
    if (self->writing_ || !self->lost_.ok()) return;
    while (self->outgoing_.size() < kMaxUnsent) {
      const uint8_t* bytes = nullptr;
      const ssize_t size = nghttp2_session_mem_send(self->session_, &bytes);
      if (size < 0)
        return self->Close(absl::InternalError(nghttp2_strerror(static_cast<int>(size))));
      if (size == 0) break;
      self->outgoing_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
    }
    if (self->outgoing_.empty()) return;
    self->writing_ = true;
    self->in_flight_.swap(self->outgoing_);
    self->outgoing_.clear();
    self->socket_->Write(self->in_flight_, [self](absl::Status status) {
      self->writing_ = false;
      if (!self->lost_.ok()) return;
      if (!status.ok()) return self->Close(std::move(status));
      if (self->Over()) return self->Close(self->WhyOver());
      self->Flush();
    });
  });
}

}  // namespace micro::grpc_wire
