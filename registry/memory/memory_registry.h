// The "memory" registry: services of this process alone, for tests and programs that need no other.
//
// All registries with the same Options.addresses share one set of records, which lives as long as
// one of them; the addresses are just names. A record whose TTL passes is removed, and watchers are
// told (go-micro's memory registry keeps silent about it).
#pragma once

#include <memory>

#include "core/clock.h"
#include "registry/registry.h"

namespace micro::registry {

// `clock` measures the TTLs; where records are shared, it is the first registry's.
std::unique_ptr<Registry> NewMemoryRegistry(const Options& options, Clock& clock = Clock::Real());

}  // namespace micro::registry
