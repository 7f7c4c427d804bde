#include "registry/consul/consul_codec.h"

namespace micro::registry::consul {
namespace {

class GoMicroCodec final : public RecordCodec {
 public:
  std::string IdInConsul(const Service&, const Node& node) const override { return node.id; }
  absl::StatusOr<std::string> Registration(const Service& service, const Node& node,
                                           std::string_view name,
                                           absl::Duration ttl) const override {
    return RegistrationJson(service, node, name, ttl);
  }
  absl::StatusOr<Health> ReadHealth(std::string_view json, std::string_view name) const override {
    return ParseHealth(json, name);
  }
  absl::StatusOr<std::vector<std::string>> ReadCatalog(std::string_view json) const override {
    return ParseCatalog(json);
  }
};

}  // namespace

const RecordCodec& GoMicroRecords() {
  static const GoMicroCodec codec;
  return codec;
}

}  // namespace micro::registry::consul
