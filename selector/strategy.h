// A Strategy is how one of several nodes is chosen: what a selector plugin implements.
//
// For each list of nodes it makes a Picker, once; that chooses for call after call, so what is worth
// preparing (a ring, a table of weights) is prepared there. examples/plugin has one from outside.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/metadata.h"
#include "core/ticks.h"
#include "selector/node_state.h"

namespace micro::selector {

// What is known of a call when its node is chosen.
struct CallInfo {
  std::string_view endpoint = {};      // "Greeter.Hello"
  const Metadata* metadata = nullptr;  // what it carries; null: nothing
  Ticks now = 0;                       // TicksNow(), for a strategy that is timed
};

// Chooses among the candidates that it was made for. Any thread.
class Picker {
 public:
  virtual ~Picker() = default;

  // The index of the choice. Quick, and never waiting.
  virtual size_t Choose(const CallInfo& call) = 0;
};

class Strategy {
 public:
  static constexpr std::string_view kPluginKind = "selector";
  struct PluginOptions {
    std::string hash_key = {};  // of the strategy "hash": the metadata that decides
  };

  virtual ~Strategy() = default;
  virtual std::string_view name() const = 0;

  // Whether its choices depend on how long calls take: then each call is timed, and CallInfo::now
  // is set. Else one in sixteen is, for those who look.
  virtual bool timed() const { return false; }

  // The one node of a service, where this strategy knows it without discovery. Then the registry is
  // never asked.
  virtual std::optional<registry::Node> NodeWithoutDiscovery(std::string_view /*service*/) {
    return std::nullopt;
  }

  // A picker among `candidates`, of which there is at least one and which outlive it. Any thread.
  virtual std::unique_ptr<Picker> NewPicker(const Candidates& candidates) = 0;
};

}  // namespace micro::selector
