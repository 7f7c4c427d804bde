// Boost.Asio as we use it: no exceptions out of operations (the overloads with an error code), and
// the headers that 1.74 forgets in C++20. For .cc files and internal headers; it costs seconds to
// compile.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <utility>  // 1.74 needs it before its own headers

namespace micro::net {

namespace asio = boost::asio;
using ErrorCode = boost::system::error_code;
using Tcp = asio::ip::tcp;

}  // namespace micro::net
