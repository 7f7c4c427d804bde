// The type trees that discovery shows for an endpoint, made from protobuf descriptors.
#pragma once

#include "micro/handler.h"
#include "registry/registry.h"

namespace micro {

// The tree that go-micro derives from the Go types of a message: its name, its fields with their Go
// type names, at most three levels. (go-micro registry.Value; reference: §2 type tree rules.)
registry::Value ValueOf(const google::protobuf::Descriptor& message);

// An endpoint as it is registered: name, type trees, metadata. A stream's trees are the literal
// Context and Stream.
registry::Endpoint RecordOf(const HandlerEndpoint& endpoint);

}  // namespace micro
