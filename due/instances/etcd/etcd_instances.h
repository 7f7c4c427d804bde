// Instances in etcd as due's registry lays them there: /<namespace>/<kind>/<id>, the value JSON
// (instance_json.h); the namespace is Options.prefix, "/services/" by default.
#pragma once

#include "registry/etcd/etcd_record.h"

namespace due {

// Records are those of ToService.
const micro::registry::EtcdRecordCodec& EtcdInstances();

}  // namespace due
