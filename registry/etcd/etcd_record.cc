#include "registry/etcd/etcd_record.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/status_macros.h"
#include "registry/service_json.h"

namespace micro::registry {
namespace {

constexpr std::string_view kGoMicrosPrefix = "/micro/registry/";

std::string Dashed(std::string_view name) {
  std::string dashed(name);
  std::replace(dashed.begin(), dashed.end(), '/', '-');
  return dashed;
}

class GoMicroCodec final : public EtcdRecordCodec {
 public:
  absl::StatusOr<std::string> Write(const Service& service) const override {
    return ToJson(service);
  }
  absl::StatusOr<Service> Read(std::string_view value) const override {
    return ParseService(value);
  }
};

}  // namespace

const EtcdRecordCodec& GoMicroEtcdRecords() {
  static const GoMicroCodec codec;
  return codec;
}

std::string EtcdPrefix(std::string_view prefix) {
  if (prefix.empty()) return std::string(kGoMicrosPrefix);
  return fmt::format("{}{}", prefix, prefix.ends_with('/') ? "" : "/");
}

std::string EtcdServiceKey(std::string_view prefix, std::string_view service) {
  return fmt::format("{}{}/", prefix, Dashed(service));
}

std::string EtcdNodeKey(std::string_view prefix, std::string_view service, std::string_view node) {
  return EtcdServiceKey(prefix, service) + Dashed(node);
}

std::string EtcdRangeEnd(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xff') prefix.pop_back();
  if (prefix.empty()) return std::string(1, '\0');  // to etcd: all that follow
  ++prefix.back();
  return prefix;
}

std::optional<EtcdKey> ParseEtcdKey(std::string_view prefix, std::string_view key) {
  if (!key.starts_with(prefix)) return std::nullopt;
  key.remove_prefix(prefix.size());
  const size_t slash = key.find('/');
  if (slash == key.npos || slash == 0 || slash + 1 == key.size() ||
      key.find('/', slash + 1) != key.npos) {
    return std::nullopt;
  }
  return EtcdKey{.service = std::string(key.substr(0, slash)),
                 .node = std::string(key.substr(slash + 1))};
}

absl::StatusOr<Service> ReadEtcdRecord(std::string_view prefix, std::string_view key,
                                       std::string_view value, const EtcdRecordCodec& codec) {
  const std::optional<EtcdKey> parts = ParseEtcdKey(prefix, key);
  if (!parts.has_value())
    return absl::InvalidArgumentError(fmt::format("the key is not {}<service>/<node>", prefix));
  ASSIGN_OR_RETURN(Service service, codec.Read(value));
  if (Dashed(service.name) != parts->service) {
    return absl::InvalidArgumentError(
        fmt::format("the record is of the service \"{}\"", service.name.substr(0, 200)));
  }
  if (service.nodes.size() != 1) {
    return absl::InvalidArgumentError(
        fmt::format("the record has {} nodes in place of one", service.nodes.size()));
  }
  if (Dashed(service.nodes[0].id) != parts->node) {
    return absl::InvalidArgumentError(
        fmt::format("the record is of the node \"{}\"", service.nodes[0].id.substr(0, 200)));
  }
  RETURN_IF_ERROR(Validate(service));
  return service;
}

}  // namespace micro::registry
