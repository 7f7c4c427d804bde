// One side of a KCP conversation that gets any datagrams at any time, with or without error
// correction's head: what it keeps is bounded, what it sends is KCP within its MTU, and it is never
// busy without an end.
#include <cstdlib>
#include <string>

#include "due/kcp/arq.h"

namespace {

constexpr uint32_t kConv = 0;

class Checked final : public due::Outbox {
 public:
  explicit Checked(size_t mtu) : mtu_(mtu) {}

  char* Room() override { return room_; }
  void Put(size_t size) override {
    std::string_view datagram(room_, size);
    if (size > mtu_ || due::Open(datagram) != due::Carried::kSegments) std::abort();
  }

 private:
  const size_t mtu_;
  char room_[due::kMostDatagram];
};

// The script: what is taken off its front is zero behind its end.
struct Script {
  uint8_t Byte() {
    if (rest.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest.front());
    rest.remove_prefix(1);
    return byte;
  }
  uint32_t Short() {
    const uint32_t low = Byte();
    return low | static_cast<uint32_t>(Byte()) << 8;
  }
  std::string_view Bytes(size_t count) {
    const std::string_view bytes = rest.substr(0, count);
    rest.remove_prefix(bytes.size());
    return bytes;
  }

  std::string_view rest;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Script script{{reinterpret_cast<const char*>(data), size}};
  const uint8_t bits = script.Byte();
  const due::KcpOptions options{.mtu = (bits & 1) != 0 ? 1400 : 50,
                                .no_delay = {.nodelay = bits >> 1 & 1,
                                             .interval_ms = (bits & 4) != 0 ? 10 : 100,
                                             .resend = (bits & 8) != 0 ? 2 : 0,
                                             .nc = bits >> 4 & 1},
                                .ack_no_delay = (bits & 32) != 0,
                                .write_delay = (bits & 64) != 0,
                                .send_window = 8,
                                .receive_window = (bits & 128) != 0 ? 32 : 3};
  due::BlockPool pool;
  uint32_t now = 0xffffff00;
  due::Arq arq(kConv, options, pool, 0xfffffffe);
  Checked outbox(static_cast<size_t>(options.mtu));
  const std::string written(3000, 'w');
  std::string read(3000, '\0');
  while (!script.rest.empty()) {
    switch (script.Byte() % 4) {
      case 0: {
        std::string_view datagram = script.Bytes(script.Short() % (due::kMostDatagram + 1));
        if (due::Open(datagram) != due::Carried::kSegments) break;
        std::string_view rest = datagram;
        if (due::TakeSegment(rest)->conv == kConv) (void)arq.Take(datagram, now);
        break;
      }
      case 1:
        now += script.Short();
        break;
      case 2:
        (void)arq.Write(std::string_view(written).substr(0, script.Short() % 3001), now);
        break;
      case 3: {
        const size_t readable = arq.readable();
        const size_t wanted = script.Short() % 3001;
        const size_t count = arq.Read(read.data(), wanted, now);
        if (count != std::min(readable, wanted) || arq.readable() != readable - count) std::abort();
        break;
      }
    }
    if (arq.IsDue(now)) arq.Flush(now, outbox);
    if (arq.IsDue(now)) std::abort();
    if (arq.unacknowledged() > 2 * static_cast<size_t>(options.send_window)) std::abort();
    if (arq.readable() > static_cast<size_t>(options.receive_window) * due::kMostPayload)
      std::abort();
  }
  return 0;
}
