// Boost.Asio as we use it: no exceptions out of operations (the overloads with an error code),
// executors that are not type-erased (an erased one costs a reference count per operation), and the
// headers that 1.74 forgets in C++20. For .cc files and internal headers; it costs seconds to
// compile.
#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>  // 1.74 needs it before its own headers

#include "absl/time/time.h"

namespace micro::net {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Tcp = asio::ip::tcp;
using TcpSocket = asio::basic_stream_socket<Tcp, asio::io_context::executor_type>;
using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>,
                                         asio::io_context::executor_type>;

// What a Timer takes; a day at most, which is what "no limit" comes to.
inline std::chrono::nanoseconds TimerDuration(absl::Duration duration) {
  return absl::ToChronoNanoseconds(std::min(duration, absl::Hours(24)));
}

}  // namespace micro::net
