// A client's call of any streaming kind.
#pragma once

#include <memory>
#include <string>

#include "codec/codec.h"
#include "core/context.h"
#include "micro/grpc/connections.h"
#include "micro/request.h"
#include "micro/stream.h"
#include "registry/registry.h"

namespace micro::grpc_wire {

// Opens the call; the stream is the caller's. An error: nothing was sent.
absl::StatusOr<std::unique_ptr<RawStream>> OpenStream(
    const Context& ctx, const registry::Node& node, const Request& request,
    const codec::Codec& codec, int max_send_message_size, std::shared_ptr<Connections> connections);

}  // namespace micro::grpc_wire
