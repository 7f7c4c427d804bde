// The members of an etcd cluster as a client sees them: addresses, and a connection to each.
#pragma once

#include <grpcpp/generic/generic_stub.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "registry/registry.h"

namespace micro::registry {

struct EtcdEndpoint {
  std::string address;  // host:port
  grpc::GenericStub stub;
};

// One for each of `options.addresses`: host, host:port, http://… or https://… (which is TLS without
// any other option), port 2379 where none is named; 127.0.0.1:2379 when there are none. gRPC
// connects when they are used. INVALID_ARGUMENT names the flag and what is wrong: an address, a
// file of TLS.
absl::StatusOr<std::vector<EtcdEndpoint>> OpenEtcdEndpoints(const Options& options);

}  // namespace micro::registry
