#include "due/instances/instance.h"

#include <fmt/format.h>

#include "core/net/host_port.h"
#include "core/status_macros.h"
#include "due/instances/instance_meta.h"

namespace due {

using micro::registry::Node;
using micro::registry::Service;

absl::StatusOr<Endpoint> ParseEndpoint(std::string_view text) {
  const size_t scheme_end = text.find("://");
  if (scheme_end != text.npos && scheme_end > 0) {
    const std::string_view rest = text.substr(scheme_end + 3);
    const std::string_view address = rest.substr(0, rest.find_first_of("/?#"));
    if (micro::net::ParseHostPort(address).ok())
      return Endpoint{std::string(text.substr(0, scheme_end)), std::string(address)};
  }
  return absl::InvalidArgumentError(
      fmt::format("\"{}\" is no endpoint: it must be scheme://host:port", text.substr(0, 200)));
}

absl::StatusOr<Service> ToService(const Instance& instance) {
  if (instance.id.empty() || instance.kind.empty())
    return absl::InvalidArgumentError("an instance needs an id and a kind");
  ASSIGN_OR_RETURN(const Endpoint endpoint, ParseEndpoint(instance.endpoint));
  return Service{
      .name = instance.kind,
      .nodes = {{.id = instance.id, .address = endpoint.address, .metadata = ToMeta(instance)}}};
}

absl::StatusOr<Instance> FromNode(const Service& service, const Node& node) {
  ASSIGN_OR_RETURN(Instance instance, FromMeta(node.metadata));
  if (instance.kind.empty()) instance.kind = service.name;
  if (instance.id != node.id) {
    return absl::InvalidArgumentError(fmt::format(
        "the record of the {} \"{}\" says that it is of \"{}\"", service.name.substr(0, 200),
        node.id.substr(0, 200), instance.id.substr(0, 200)));
  }
  return instance;
}

}  // namespace due
