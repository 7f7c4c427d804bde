// A Wire finds packets in the bytes of one connection, and makes its bytes of packets. Internal.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "due/packet/framing.h"

namespace due {

class Wire {
 public:
  struct Taken {
    enum Kind {
      kNothing,  // what is at the front is not whole
      kPacket,
      kControl,  // what is the wire's own
      kDropped,  // what is no packet
      kGoodbye,  // the peer ends the connection
    };
    Kind kind = kNothing;
    std::string_view packet = {};  // until the next Take, or until the bytes change
  };

  virtual ~Wire() = default;

  // Takes what is at the front of `bytes`, which it may change. What the peer is to be told in return
  // is appended to `answer`. RESOURCE_EXHAUSTED: it is larger than what is taken; INVALID_ARGUMENT:
  // these bytes mean nothing; there is no reading on then.
  virtual absl::StatusOr<Taken> Take(std::span<char>& bytes, std::string& answer) = 0;

  // How long what is at the front, and not whole, will be; 0: nobody knows yet. Take has bounded it.
  virtual size_t Wanted(std::span<const char> bytes) const = 0;

  // Appends what carries a packet.
  virtual void Put(std::string_view packet, std::string& out) = 0;

  // Appends what tells the peer that nothing more will come.
  virtual void PutGoodbye(std::string& out) = 0;
};

// TCP and KCP: packets, one behind the other.
class StreamWire final : public Wire {
 public:
  explicit StreamWire(const Framing& framing) : framing_(framing) {}

  absl::StatusOr<Taken> Take(std::span<char>& bytes, std::string& answer) override;
  size_t Wanted(std::span<const char> bytes) const override;
  void Put(std::string_view packet, std::string& out) override { framing_.Put(packet, out); }
  void PutGoodbye(std::string&) override {}

 private:
  const Framing& framing_;  // of the session's settings
  std::string scratch_;
};

}  // namespace due
