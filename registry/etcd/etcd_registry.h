// The registry "etcd", for programs that make one without the flag --registry.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "registry/etcd/etcd_record.h"
#include "registry/registry.h"

namespace micro::registry {

// `grace`: how long watchers keep nodes that an etcd that lost its data no longer has; most come
// back meanwhile, as services refresh themselves. `codec`, which outlives all registries: what the
// values are.
absl::StatusOr<std::unique_ptr<Registry>> NewEtcdRegistry(
    const Options& options, absl::Duration grace = absl::Minutes(1),
    const EtcdRecordCodec& codec = GoMicroEtcdRecords());

}  // namespace micro::registry
