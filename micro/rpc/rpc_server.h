// The server wire "rpc" with its limits set by hand, for tests.
#pragma once

#include <memory>

#include "core/net/loops.h"
#include "micro/rpc/server_state.h"
#include "micro/wire.h"

namespace micro::rpc {

std::unique_ptr<ServerWire> NewRpcServer(const ServerOptions& options,
                                         const ServerLimits& limits = {},
                                         net::Loops& loops = net::Loops::Default());

}  // namespace micro::rpc
