// The services that let any gRPC tool look at a server: health (grpc.health.v1) and reflection
// (grpc.reflection.v1 and v1alpha).
#pragma once

#include <memory>
#include <vector>

#include "micro/wire.h"

namespace micro::grpc_wire {

// Whether the server is to get calls; what health answers and its watchers hear.
class Health {
 public:
  Health();
  ~Health();
  void Start();               // SERVING from now on, while it is ready
  void SetReady(bool ready);  // it is until this says otherwise
  void Stop();  // NOT_SERVING from now on: the last that watchers hear, their streams end

 private:
  friend class HealthService;
  struct State;
  const std::shared_ptr<State> state_;
};

// The endpoints of both services, to be served beside `endpoints`, whose handlers they tell of.
std::vector<ServedEndpoint> IntrospectionEndpoints(const std::vector<ServedEndpoint>& endpoints,
                                                   std::shared_ptr<Health> health);

}  // namespace micro::grpc_wire
