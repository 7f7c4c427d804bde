// What unary and streamed calls of a client share.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"
#include "core/context.h"
#include "micro/request.h"
#include "registry/registry.h"

namespace micro::grpc_wire {

// An error that arose before anything was sent, under go-micro's `code`.
absl::Status Refused(const absl::Status& why, int code);

// A response that could not be read.
absl::Status Unreadable(const absl::Status& why);

// The error of a call. A connection that could not be made is told from an answer of the node.
absl::Status ErrorOf(const grpc::Status& status, const Context& ctx, const registry::Node& node);

// "/helloworld.Greeter/Hello": the method's own path, or one made as go-micro's client does.
std::string PathOf(const Request& request);

// Sets deadline and headers before a call starts.
absl::Status Prepare(const Context& ctx, const Request& request, grpc::ClientContext& call);

}  // namespace micro::grpc_wire
