// An MdnsLink is one network interface, as far as mDNS uses it: a socket in the multicast group,
// and one to ask questions from, which are answered to it alone.
//
// Links do not wait: what cannot be sent at once is lost, as packets are.
#pragma once

#include <netinet/in.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace micro::registry {

// An interface that is up and can multicast over IPv4; also lo.
struct NetworkInterface {
  std::string name;
  int index = 0;
  in_addr address = {};                // its first
  std::vector<std::string> addresses;  // all of them
};

// Those whose name or address is in `wanted`; all when that is empty.
std::vector<NetworkInterface> FindInterfaces(const std::vector<std::string>& wanted);

class MdnsLink {
 public:
  // UNAVAILABLE, naming the call, when the sockets cannot be had.
  static absl::StatusOr<std::shared_ptr<MdnsLink>> Open(const NetworkInterface& interface);
  ~MdnsLink();
  MdnsLink(const MdnsLink&) = delete;
  MdnsLink& operator=(const MdnsLink&) = delete;

  const NetworkInterface& interface() const { return interface_; }

  // To poll for reading: what is multicast on this interface, and answers to what was asked.
  int group_socket() const { return group_socket_; }
  int question_socket() const { return question_socket_; }

  // Sends a packet to the group from the mDNS port, to the group from where answers come back, or
  // to one peer.
  void Multicast(std::string_view packet) const;
  void Ask(std::string_view packet) const;
  void Reply(std::string_view packet, const sockaddr_in& to) const;

 private:
  explicit MdnsLink(const NetworkInterface& interface) : interface_(interface) {}
  absl::Status OpenSockets();

  const NetworkInterface interface_;
  int group_socket_ = -1;
  int question_socket_ = -1;
};

// Reads the packets that wait at a socket, a bounded number of them.
void ReceiveFrom(
    int socket,
    const std::function<void(std::string_view packet, const sockaddr_in& from)>& handle);

}  // namespace micro::registry
