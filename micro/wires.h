// Internal.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "micro/client.h"
#include "micro/wire.h"

namespace micro {

// All linked wires, by the protocol that they speak. Read by any thread.
struct Wires {
  std::map<std::string, std::unique_ptr<ClientWire>, std::less<>> all;
  ClientWire* usual = nullptr;

  // The wire that the node says it speaks, the usual where it says nothing. UNIMPLEMENTED: none
  // that is linked.
  absl::StatusOr<ClientWire*> Of(const registry::Node& node) const;
};

// One of each that is linked, `options.wire` the usual. INVALID_ARGUMENT: it is not linked.
absl::StatusOr<std::shared_ptr<const Wires>> LinkedWires(const ClientOptions& options);

}  // namespace micro
