#include "due/instances/etcd/etcd_instances.h"

#include <memory>
#include <string>
#include <utility>

#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "due/instances/instance.h"
#include "due/instances/instance_json.h"
#include "due/instances/instance_registry.h"
#include "registry/etcd/etcd_registry.h"

namespace due {
namespace {

class EtcdInstanceCodec final : public micro::registry::EtcdRecordCodec {
 public:
  absl::StatusOr<std::string> Write(const micro::registry::Service& service) const override {
    if (service.nodes.size() != 1)
      return absl::InvalidArgumentError("a record of an instance has one node");
    ASSIGN_OR_RETURN(const Instance instance, FromNode(service, service.nodes[0]));
    return ToJson(instance);
  }
  absl::StatusOr<micro::registry::Service> Read(std::string_view value) const override {
    ASSIGN_OR_RETURN(const Instance instance, ParseInstance(value));
    return ToService(instance);
  }
};

MICRO_PLUGIN(InstanceRegistry, "etcd",
             [](micro::registry::Options options)
                 -> absl::StatusOr<std::unique_ptr<InstanceRegistry>> {
               if (options.prefix.empty()) options.prefix = "/services/";
               ASSIGN_OR_RETURN(auto registry, micro::registry::NewEtcdRegistry(
                                                   options, absl::Minutes(1), EtcdInstances()));
               return std::make_unique<InstanceRegistry>(std::move(registry));
             });

}  // namespace

const micro::registry::EtcdRecordCodec& EtcdInstances() {
  static const EtcdInstanceCodec codec;
  return codec;
}

}  // namespace due
