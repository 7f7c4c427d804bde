#include "core/net/socket.h"

#include <netinet/tcp.h>

#include "core/net/channel.h"

namespace micro::net {

std::string ToText(const Tcp::endpoint& endpoint) {
  asio::ip::address address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped())
    address = asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6());
  const std::string host = address.to_string();
  return (address.is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(endpoint.port());
}

void Tune(TcpSocket& socket) {
  ErrorCode ignored;
  socket.set_option(Tcp::no_delay(true), ignored);
  socket.set_option(asio::socket_base::keep_alive(true), ignored);
  // A peer that answers nothing for a minute is gone, be it to probes of an idle connection or to
  // bytes that were sent, for which there are no probes.
  for (const auto& [option, value] :
       {std::pair(TCP_KEEPIDLE, 30), std::pair(TCP_KEEPINTVL, 10), std::pair(TCP_KEEPCNT, 3),
        std::pair(TCP_USER_TIMEOUT, 60'000)}) {
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, option, &value, sizeof(value));
  }
}

std::unique_ptr<Socket> NewPlainSocket(TcpSocket socket) {
  ErrorCode ignored;
  socket.non_blocking(true, ignored);  // for TryWrite
  return std::make_unique<ChannelSocket<TcpSocket>>(
      boost::intrusive_ptr(new Channel<TcpSocket>(std::move(socket))));
}

}  // namespace micro::net
