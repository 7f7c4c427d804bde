// The strategy "static": no discovery. The service's name is where its one node is, for who leaves
// the choice to others, as Kubernetes' services do: `<service>[.<domain>]:<port>`, of which the
// environment's STATIC_SELECTOR_DOMAIN_NAME and STATIC_SELECTOR_PORT_NUMBER [8080] say the rest;
// a name that has a port stays as it is. Mirrors go-micro's plugin of that name.
#include <fmt/format.h>

#include <cstdlib>

#include "core/plugin_table.h"
#include "selector/strategy.h"

namespace micro::selector {
namespace {

std::string Environment(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

class OnlyPicker final : public Picker {
 public:
  size_t Choose(const CallInfo&) override { return 0; }
};

class StaticStrategy final : public Strategy {
 public:
  std::string_view name() const override { return "static"; }

  std::optional<registry::Node> NodeWithoutDiscovery(std::string_view service) override {
    std::string address(service);
    if (service.find(':') == service.npos) {
      if (!domain_.empty()) address += "." + domain_;
      address += ":" + port_;
    }
    return registry::Node{.id = std::string(service), .address = std::move(address)};
  }

  std::unique_ptr<Picker> NewPicker(const Candidates&) override {
    return std::make_unique<OnlyPicker>();
  }

 private:
  const std::string domain_ = Environment("STATIC_SELECTOR_DOMAIN_NAME", "");
  const std::string port_ = Environment("STATIC_SELECTOR_PORT_NUMBER", "8080");
};

MICRO_PLUGIN(Strategy, "static",
             [](const Strategy::PluginOptions&) { return std::make_unique<StaticStrategy>(); });

}  // namespace
}  // namespace micro::selector
