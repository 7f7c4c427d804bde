// DNS messages, as far as multicast DNS needs them: read from and written to packets.
//
//   dns::Message query{.questions = {{.name = "greeter.micro.", .type = dns::kPtr}}};
//   ASSIGN_OR_RETURN(const std::string packet, dns::Pack(query));
//   ASSIGN_OR_RETURN(const dns::Message answer, dns::Parse(received));
//
// A name is its labels, each with a dot behind it ("greeter-1.greeter.micro."); a dot or backslash
// inside of a label has a backslash before it. Any bytes may be parsed: work and memory are bounded
// by the packet's size. All functions may be called from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace micro::registry::dns {

// Record types.
inline constexpr uint16_t kA = 1;
inline constexpr uint16_t kPtr = 12;
inline constexpr uint16_t kTxt = 16;
inline constexpr uint16_t kAaaa = 28;
inline constexpr uint16_t kSrv = 33;
inline constexpr uint16_t kAny = 255;  // in questions alone

// The class "Internet", and the bit that in mDNS asks for a unicast answer.
inline constexpr uint16_t kInternet = 1;
inline constexpr uint16_t kUnicastBit = 0x8000;

// Flags of the header: this is a response, by whom it concerns. The other bits are zero in mDNS.
inline constexpr uint16_t kResponse = 0x8000;
inline constexpr uint16_t kAuthoritative = 0x0400;

struct Question {
  std::string name = {};
  uint16_t type = kPtr;
  uint16_t question_class = kInternet;
  friend bool operator==(const Question&, const Question&) = default;
};

struct Ptr {
  std::string target = {};
  friend bool operator==(const Ptr&, const Ptr&) = default;
};
struct Srv {
  uint16_t priority = 0;
  uint16_t weight = 0;
  uint16_t port = 0;
  std::string target = {};
  friend bool operator==(const Srv&, const Srv&) = default;
};
struct A {
  std::array<uint8_t, 4> address = {};
  friend bool operator==(const A&, const A&) = default;
};
struct Aaaa {
  std::array<uint8_t, 16> address = {};
  friend bool operator==(const Aaaa&, const Aaaa&) = default;
};
struct Txt {
  std::vector<std::string> strings = {};  // of at most 255 bytes each
  friend bool operator==(const Txt&, const Txt&) = default;
};
// A record of any other type, as it came.
struct Unknown {
  uint16_t type = 0;
  std::string bytes = {};
  friend bool operator==(const Unknown&, const Unknown&) = default;
};

struct Record {
  std::string name = {};
  uint32_t ttl = 0;  // seconds
  std::variant<Ptr, Srv, A, Aaaa, Txt, Unknown> data = {};
  uint16_t record_class = kInternet;
  friend bool operator==(const Record&, const Record&) = default;
};

struct Message {
  uint16_t id = 0;
  uint16_t flags = 0;
  std::vector<Question> questions = {};
  std::vector<Record> answers = {};
  std::vector<Record> authorities = {};
  std::vector<Record> additionals = {};

  bool is_response() const { return (flags & kResponse) != 0; }
  friend bool operator==(const Message&, const Message&) = default;
};

// The largest packet that is written: 9000 bytes with the headers of IP and UDP (RFC 6762, 17).
inline constexpr size_t kMaxPacket = 9000 - 28;

// INVALID_ARGUMENT for a name that no packet can carry: an empty label, one of more than 63 bytes,
// or more than 255 bytes in all. The message names the limit.
absl::Status CheckName(std::string_view name);

// Writes a packet; names are compressed as go-micro's DNS library does. INVALID_ARGUMENT: a bad
// name, a string of more than 255 bytes, or a packet of more than kMaxPacket.
absl::StatusOr<std::string> Pack(const Message& message);

// Reads a packet; bytes behind its last record are ignored. INVALID_ARGUMENT says what is wrong.
absl::StatusOr<Message> Parse(std::string_view packet);

}  // namespace micro::registry::dns
