// A client's call of any streaming kind, on a connection of its own.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/context.h"
#include "core/task.h"
#include "micro/rpc/body.h"
#include "micro/rpc/client_pool.h"
#include "micro/rpc/request_text.h"
#include "micro/stream.h"

namespace micro::rpc {

// Connects to `address` and opens the call; the stream is the caller's. Everything lent is used
// until the task ends.
Task<absl::StatusOr<std::unique_ptr<RawStream>>> OpenStream(std::shared_ptr<LoopClient> client,
                                                            const Context& ctx,
                                                            const std::string& address,
                                                            RequestHeader header,
                                                            BodyFormat format);

}  // namespace micro::rpc
