#include "registry/mdns/mdns_link.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "core/status_macros.h"

namespace micro::registry {
namespace {

constexpr uint16_t kPort = 5353;
constexpr char kGroup[] = "224.0.0.251";
constexpr int kPacketsPerTurn = 64;
constexpr int kReceiveBuffer = 1 << 20;  // many nodes answer at once

sockaddr_in GroupAddress() {
  sockaddr_in group = {};
  group.sin_family = AF_INET;
  group.sin_port = htons(kPort);
  inet_pton(AF_INET, kGroup, &group.sin_addr);
  return group;
}

absl::Status Failed(std::string_view call, const std::string& interface) {
  return absl::UnavailableError(
      fmt::format("mDNS on {}: {}: {}", interface, call, std::strerror(errno)));
}

void SendTo(int socket, std::string_view packet, const sockaddr_in& to) {
  sendto(socket, packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
         reinterpret_cast<const sockaddr*>(&to), sizeof(to));
}

template <class Value>
bool Set(int socket, int level, int option, const Value& value) {
  return setsockopt(socket, level, option, &value, sizeof(value)) == 0;
}

}  // namespace

std::vector<NetworkInterface> FindInterfaces(const std::vector<std::string>& wanted) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  std::map<int, NetworkInterface> interfaces;
  for (const ifaddrs* each = list; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr || each->ifa_addr->sa_family != AF_INET) continue;
    if ((each->ifa_flags & IFF_UP) == 0) continue;
    if ((each->ifa_flags & (IFF_MULTICAST | IFF_LOOPBACK)) == 0) continue;
    const int index = static_cast<int>(if_nametoindex(each->ifa_name));
    if (index == 0) continue;  // it has just gone
    const in_addr address = reinterpret_cast<const sockaddr_in*>(each->ifa_addr)->sin_addr;
    char text[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &address, text, sizeof(text));
    NetworkInterface& interface = interfaces[index];
    if (interface.addresses.empty()) interface = {each->ifa_name, index, address, {}};
    interface.addresses.emplace_back(text);
  }
  freeifaddrs(list);
  std::vector<NetworkInterface> found;
  for (auto& [index, interface] : interfaces) {
    const bool chosen = std::any_of(wanted.begin(), wanted.end(), [&](const std::string& want) {
      return want == interface.name ||
             std::find(interface.addresses.begin(), interface.addresses.end(), want) !=
                 interface.addresses.end();
    });
    if (wanted.empty() || chosen) found.push_back(std::move(interface));
  }
  return found;
}

absl::StatusOr<std::shared_ptr<MdnsLink>> MdnsLink::Open(const NetworkInterface& interface) {
  std::shared_ptr<MdnsLink> link(new MdnsLink(interface));
  RETURN_IF_ERROR(link->OpenSockets());
  return link;
}

absl::Status MdnsLink::OpenSockets() {
  ip_mreqn membership = {};
  membership.imr_multiaddr = GroupAddress().sin_addr;
  membership.imr_address = interface_.address;
  membership.imr_ifindex = interface_.index;
  for (int* socket : {&group_socket_, &question_socket_}) {
    *socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*socket < 0) return Failed("socket", interface_.name);
    Set(*socket, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
    // Without these it would need a route for the group, which lo has not.
    if (!Set(*socket, IPPROTO_IP, IP_MULTICAST_IF, membership)) {
      return Failed("IP_MULTICAST_IF", interface_.name);
    }
    Set(*socket, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
    Set(*socket, IPPROTO_IP, IP_MULTICAST_TTL, 255);
    Set(*socket, IPPROTO_IP, IP_MULTICAST_ALL, 0);  // nothing that others on this machine joined
  }
  // Others listen on this port as well. Bound to the group, the socket takes no unicast from them.
  if (!Set(group_socket_, SOL_SOCKET, SO_REUSEADDR, 1) ||
      !Set(group_socket_, SOL_SOCKET, SO_REUSEPORT, 1)) {
    return Failed("SO_REUSEPORT", interface_.name);
  }
  const sockaddr_in group = GroupAddress();
  if (bind(group_socket_, reinterpret_cast<const sockaddr*>(&group), sizeof(group)) != 0) {
    return Failed("bind to 224.0.0.251:5353", interface_.name);
  }
  if (!Set(group_socket_, IPPROTO_IP, IP_ADD_MEMBERSHIP, membership)) {
    return Failed("IP_ADD_MEMBERSHIP", interface_.name);
  }
  return absl::OkStatus();
}

MdnsLink::~MdnsLink() {
  for (const int socket : {group_socket_, question_socket_}) {
    if (socket >= 0) close(socket);
  }
}

void MdnsLink::Multicast(std::string_view packet) const {
  SendTo(group_socket_, packet, GroupAddress());
}

void MdnsLink::Ask(std::string_view packet) const {
  SendTo(question_socket_, packet, GroupAddress());
}

void MdnsLink::Reply(std::string_view packet, const sockaddr_in& to) const {
  SendTo(group_socket_, packet, to);
}

void ReceiveFrom(
    int socket,
    const std::function<void(std::string_view packet, const sockaddr_in& from)>& handle) {
  static thread_local std::vector<char> buffer(65536);
  for (int i = 0; i < kPacketsPerTurn; ++i) {
    sockaddr_in from = {};
    socklen_t from_size = sizeof(from);
    const ssize_t size = recvfrom(socket, buffer.data(), buffer.size(), MSG_DONTWAIT,
                                  reinterpret_cast<sockaddr*>(&from), &from_size);
    if (size < 0) return;
    handle({buffer.data(), static_cast<size_t>(size)}, from);
  }
}

}  // namespace micro::registry
