// gRPC's own log, sent to ours.
#pragma once

namespace micro::grpc_wire {

// From now on gRPC's lines are debug lines of core/log.h: what matters of them comes back as errors of calls. Any thread.
void RouteGrpcLog();

}  // namespace micro::grpc_wire
