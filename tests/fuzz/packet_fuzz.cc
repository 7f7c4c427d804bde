// Packets of the game's clients, with all options: what is taken is within bounds, what can be
// unpacked is packed to the same bytes again.
#include <array>
#include <cstdlib>
#include <string>

#include "due/packet/framing.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const due::PacketOptions options{
      .byte_order = data[0] % 2 == 0 ? due::ByteOrder::kBig : due::ByteOrder::kLittle,
      .route_bytes = std::array{1, 2, 4, 2}[data[0] / 2 % 4],
      .seq_bytes = std::array{0, 1, 2, 4}[data[0] / 8 % 4],
      .buffer_bytes = 1 << 20,
      .dialect = data[0] / 32 % 2 == 0 ? due::Dialect::kV21 : due::Dialect::kV20,
      .receive_bytes = size_t{16} << data[1] % 8};
  const due::Packer packer = due::Packer::New(options).value();
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto check = [&](std::string_view packet, const due::Framing& framing) {
    if (packet.size() > due::kSizeBytes + due::kHeaderBytes + options.receive_bytes) std::abort();
    if (due::Packer::IsHeartbeat(packet)) {
      (void)packer.TimeOf(packet);
      return;
    }
    const auto message = packer.Unpack(packet);
    if (!message.ok()) return;
    std::string again;
    if (!packer.Pack(*message, again).ok()) std::abort();
    again[due::kSizeBytes] = packet[due::kSizeBytes];  // reserved bits are not kept
    if (again != packet) std::abort();
    std::string wire;
    framing.Put(packet, wire);
  };
  std::string scratch;
  const due::Framing stream(packer, due::Carrier::kStream);
  std::string_view rest = input;
  while (true) {
    const size_t before = rest.size();
    const auto packet = stream.Take(rest, scratch);
    if (!packet.ok() || !packet->has_value()) break;
    if (rest.size() >= before) std::abort();
    check(**packet, stream);
  }
  const due::Framing messages(packer, due::Carrier::kMessages);
  const auto packet = messages.Open(input, scratch);
  if (packet.ok()) check(*packet, messages);
  return 0;
}
