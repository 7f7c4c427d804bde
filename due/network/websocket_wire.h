// WebSocket's frames (RFC 6455), each message of which holds a packet. Internal.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "due/network/utf8_check.h"
#include "due/network/wire.h"

namespace due {

// Text messages are checked and dropped, as due has it; pings are answered; binary messages may come
// in fragments. What the RFC forbids ends the connection with the code that it names. No extension is
// spoken.
class WebSocketWire final : public Wire {
 public:
  enum Side { kServer, kClient };  // a client masks its frames, and only a client

  WebSocketWire(const Framing& framing, Side side) : framing_(framing), side_(side) {}

  absl::StatusOr<Taken> Take(std::span<char>& bytes, std::string& answer) override;
  size_t Wanted(std::span<const char> bytes) const override;
  void Put(std::string_view packet, std::string& out) override;
  void PutGoodbye(std::string& out) override;

 private:
  enum Opcode : uint8_t {
    kContinuation = 0,
    kText = 1,
    kBinary = 2,
    kClose = 8,
    kPing = 9,
    kPong = 10
  };
  struct Header {
    bool is_final = false;
    uint8_t reserved = 0;
    Opcode opcode = kContinuation;
    bool is_masked = false;
    char mask[4] = {};
    uint64_t length = 0;
    size_t size = 0;  // its own; 0: it is not whole
  };

  static Header ReadHeader(std::span<const char> bytes);
  absl::Status Check(const Header& header, std::string& answer);
  absl::StatusOr<Taken> TakeData(const Header& header, std::string_view payload,
                                 std::string& answer);
  absl::StatusOr<Taken> TakeControl(Opcode opcode, std::string_view payload, std::string& answer);
  absl::Status Refuse(uint16_t code, std::string_view why, std::string& answer);
  void Say(uint16_t code, std::string& answer);
  void PutFrame(Opcode opcode, std::string_view payload, std::string& out);

  const Framing& framing_;  // of the session's settings
  const Side side_;
  bool has_said_goodbye_ = false;
  Opcode message_ = kContinuation;  // of which a part has come: text or binary
  Utf8Check text_;
  std::string parts_;  // of a binary message
  std::string scratch_;
};

}  // namespace due
