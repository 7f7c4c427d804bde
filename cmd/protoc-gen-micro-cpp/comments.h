// The comments that stand at a service or method of a .proto, as C++ comments.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>

namespace micro::generator {

// Lines of "// text\n", the one above it before the one behind it; empty when there is none.
// Detached comments are left out.
std::string CommentOf(const google::protobuf::ServiceDescriptor& service);
std::string CommentOf(const google::protobuf::MethodDescriptor& method);

}  // namespace micro::generator
