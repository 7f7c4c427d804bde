// The registry "consul": services as go-micro's Consul registry lays them out (docs/wire/consul.md).
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "registry/consul/consul_codec.h"
#include "registry/registry.h"

namespace micro::registry {

// `grace`: how long nodes are kept that an agent no longer has when it returns from an outage; most
// come back meanwhile, as services refresh themselves. `codec`, which outlives all registries: how
// records lie in Consul.
absl::StatusOr<std::unique_ptr<Registry>> NewConsulRegistry(
    const Options& options, absl::Duration grace = absl::Minutes(1),
    const consul::RecordCodec& codec = consul::GoMicroRecords());

}  // namespace micro::registry
