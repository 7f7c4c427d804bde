// WebSocket as a hostile peer may speak it: its handshake's heads, and its frames, which come in
// pieces. Whatever the pieces are, the same is found; what is kept is bounded; what is sent is read
// again as it was.
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "due/network/websocket_handshake.h"
#include "due/network/websocket_wire.h"

namespace {

using due::WebSocketWire;

// What a wire has made of its input.
struct Found {
  std::vector<std::string> packets = {};
  std::string answers = {};
  bool is_over = false;
};

Found ReadAll(WebSocketWire& wire, std::string_view input, size_t piece, size_t most) {
  Found found;
  std::string kept;
  for (size_t at = 0; at < input.size() && !found.is_over; at += piece) {
    kept += input.substr(at, piece);
    while (true) {
      std::span<char> rest(kept.data(), kept.size());
      const auto taken = wire.Take(rest, found.answers);
      found.is_over = !taken.ok() || taken->kind == WebSocketWire::Taken::kGoodbye;
      if (taken.ok() && taken->kind == WebSocketWire::Taken::kPacket) {
        if (taken->packet.size() > most) std::abort();
        found.packets.emplace_back(taken->packet);
      }
      const bool is_same = rest.size() == kept.size();
      kept.erase(0, kept.size() - rest.size());
      if (found.is_over) break;
      if (taken->kind == WebSocketWire::Taken::kNothing) {
        const size_t wanted = wire.Wanted({kept.data(), kept.size()});
        if (wanted != 0 && (wanted <= kept.size() || wanted > std::max<size_t>(most, 125) + 14))
          std::abort();
        break;
      }
      if (is_same) std::abort();
    }
  }
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const due::PacketOptions options{
      .dialect = data[0] / 2 % 2 == 0 ? due::Dialect::kV21 : due::Dialect::kV20,
      .receive_bytes = size_t{16} << data[0] / 4 % 8};
  const due::Framing framing(due::Packer::New(options).value(), due::Carrier::kMessages);
  const auto side = data[0] % 2 == 0 ? WebSocketWire::kServer : WebSocketWire::kClient;
  const auto other =
      side == WebSocketWire::kClient ? WebSocketWire::kServer : WebSocketWire::kClient;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const size_t most = options.receive_bytes + due::kSizeBytes + due::kHeaderBytes;

  WebSocketWire whole(framing, side), pieces(framing, side);
  const Found found = ReadAll(whole, input, input.size() + 1, most);
  const Found again = ReadAll(pieces, input, data[1] % 16 + 1u, most);
  if (found.packets != again.packets || found.is_over != again.is_over) std::abort();
  if (side == WebSocketWire::kServer && found.answers != again.answers) std::abort();  // no masks

  WebSocketWire sender(framing, other), receiver(framing, side);
  for (const std::string& packet : found.packets) {
    std::string sent;
    sender.Put(packet, sent);
    const Found back = ReadAll(receiver, sent, 7, most);
    if (back.is_over) std::abort();
    if (options.dialect == due::Dialect::kV21 && back.packets != std::vector{packet}) std::abort();
  }

  const due::UpgradeAnswer answer = due::AnswerUpgrade(input, "127.0.0.1:1", {});
  if (answer.status < 100 || answer.text.empty()) std::abort();
  (void)due::CheckUpgradeAnswer(input, "dGhlIHNhbXBsZSBub25jZQ==");
  return 0;
}
