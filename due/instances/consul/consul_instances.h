// Instances in Consul as due's registry lays them there: an entry "<kind>-<id>" of the service <kind>,
// everything in its Meta (instance_meta.h), a TCP check of its endpoint and a TTL check.
#pragma once

#include "registry/consul/consul_codec.h"

namespace due {

// Records are those of ToService: what a registry made with it reads has Meta as metadata of its
// nodes. Only entries whose checks all pass are alive.
const micro::registry::consul::RecordCodec& ConsulInstances();

}  // namespace due
