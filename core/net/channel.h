// A Channel is what a Socket and its running operations share: a stream of Asio's, plain or TLS.
// Internal.
//
// It lives until the socket and the last operation are gone. All of them are on one thread, so that
// its count is a plain number.
#pragma once

#include <boost/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "core/net/asio.h"
#include "core/net/handler_memory.h"
#include "core/net/socket.h"

namespace micro::net {

// "127.0.0.1:8080"; an IPv4 address in an IPv6 one is shown as what it is.
std::string ToText(const Tcp::endpoint& endpoint);

template <class Stream>
class Channel : public boost::intrusive_ref_counter<Channel<Stream>, boost::thread_unsafe_counter> {
 public:
  static constexpr bool kPlain = std::is_same_v<Stream, TcpSocket>;
  static constexpr size_t kHandlerSize = kPlain ? 256 : 768;
  using Memory = HandlerMemory<kHandlerSize>;

  template <class... Args>
  explicit Channel(Args&&... args) : stream_(std::forward<Args>(args)...) {
    ErrorCode ignored;
    local_ = ToText(stream_.lowest_layer().local_endpoint(ignored));
    remote_ = ToText(stream_.lowest_layer().remote_endpoint(ignored));
  }

  Stream& stream() { return stream_; }
  Memory& read_memory() { return read_memory_; }
  Memory& write_memory() { return write_memory_; }
  const std::string& local() const { return local_; }
  const std::string& remote() const { return remote_; }

  void SetReadLowWater(size_t bytes) {
    if (!kPlain || bytes == read_low_water_) return;
    read_low_water_ = bytes;
    ErrorCode ignored;
    stream_.lowest_layer().set_option(
        asio::socket_base::receive_low_watermark(static_cast<int>(bytes)), ignored);
  }

  bool writing() const { return writing_; }
  void set_writing(bool writing) { writing_ = writing; }

  void EndWrites() {
    if (closed_ || std::exchange(writes_ended_, true)) return;
    if constexpr (!kPlain) SayGoodbye();
    ErrorCode ignored;
    stream_.lowest_layer().shutdown(asio::socket_base::shutdown_send, ignored);
  }

  bool writes_ended() const { return writes_ended_; }

  bool closed() const { return closed_; }
  void Close() {
    if (closed_) return;
    if constexpr (!kPlain) {
      if (!writes_ended_) SayGoodbye();
    }
    closed_ = true;
    ErrorCode ignored;
    stream_.lowest_layer().close(ignored);
  }

  // What has become of an operation.
  absl::Status StatusOf(const ErrorCode& error) const {
    if (!error) return absl::OkStatus();
    if (closed_) return absl::CancelledError("the connection was closed");
    if (error == asio::error::eof)
      return absl::OutOfRangeError("the peer has closed the connection");
    return absl::UnavailableError("the connection to " + remote_ + " is lost: " + error.message());
  }

 private:
  // Sends TLS's close_notify, which happens inside the call unless a write is under way. Nobody
  // waits for the peer's.
  void SayGoodbye() {
    stream_.async_shutdown([self = boost::intrusive_ptr<Channel>(this)](const ErrorCode&) {});
  }

  Stream stream_;
  bool closed_ = false;
  bool writes_ended_ = false;
  bool writing_ = false;
  size_t read_low_water_ = 1;
  std::string local_, remote_;
  Memory read_memory_, write_memory_;
};

// The Socket on a Channel.
template <class Stream>
class ChannelSocket final : public Socket {
  using ChannelPtr = boost::intrusive_ptr<Channel<Stream>>;
  using Allocator = HandlerAllocator<void, Channel<Stream>::kHandlerSize>;

 public:
  explicit ChannelSocket(ChannelPtr channel) : channel_(std::move(channel)) {}
  ~ChannelSocket() override { Close(); }

  void Read(char* buffer, size_t size,
            absl::AnyInvocable<void(absl::Status, size_t)> done) override {
    ReadHandler handler{channel_, std::move(done)};
    if constexpr (!Channel<Stream>::kPlain) {
      if (channel_->writes_ended()) {
        return channel_->stream().next_layer().async_read_some(asio::buffer(buffer, size),
                                                               std::move(handler));
      }
    }
    channel_->stream().async_read_some(asio::buffer(buffer, size), std::move(handler));
  }

  void SetReadLowWater(size_t bytes) override { channel_->SetReadLowWater(bytes); }

  size_t TryWrite(std::string_view bytes) override {
    if constexpr (Channel<Stream>::kPlain) {
      if (channel_->writing() || channel_->closed()) return 0;
      ErrorCode error;
      return channel_->stream().write_some(asio::buffer(bytes.data(), bytes.size()), error);
    } else {
      return 0;
    }
  }

  void Write(std::string_view bytes, absl::AnyInvocable<void(absl::Status)> done) override {
    channel_->set_writing(true);
    WriteHandler::Start(WriteHandler{channel_, bytes, std::move(done)});
  }

  void EndWrites() override { channel_->EndWrites(); }
  void Close() override { channel_->Close(); }
  std::string local() const override { return channel_->local(); }
  std::string remote() const override { return channel_->remote(); }

 private:
  struct ReadHandler {
    using allocator_type = Allocator;
    allocator_type get_allocator() const { return allocator_type(channel->read_memory()); }
    void operator()(const ErrorCode& error, size_t count) {
      absl::Status status = channel->StatusOf(error);
      // What the call back frees may be the last of the socket, but not the channel itself.
      if (!status.ok()) count = 0;
      done(std::move(status), count);
    }

    ChannelPtr channel;
    absl::AnyInvocable<void(absl::Status, size_t)> done;
  };

  struct WriteHandler {
    using allocator_type = Allocator;
    allocator_type get_allocator() const { return allocator_type(channel->write_memory()); }
    static void Start(WriteHandler handler) {
      Stream& stream = handler.channel->stream();
      const asio::const_buffer buffer(handler.rest.data(), handler.rest.size());
      stream.async_write_some(buffer, std::move(handler));
    }
    void operator()(const ErrorCode& error, size_t count) {
      rest.remove_prefix(count);
      if (!error && !rest.empty()) return Start(std::move(*this));
      channel->set_writing(false);
      done(channel->StatusOf(error));
    }

    ChannelPtr channel;
    std::string_view rest;
    absl::AnyInvocable<void(absl::Status)> done;
  };

  const ChannelPtr channel_;
};

// What every connection is set to: no delay, and probes that find a peer whose machine is gone.
void Tune(TcpSocket& socket);

// The socket of an open connection without TLS.
std::unique_ptr<Socket> NewPlainSocket(TcpSocket socket);

}  // namespace micro::net
