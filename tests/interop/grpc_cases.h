// The cases of the public gRPC interop suite, as a caller on the SDK runs them. The suite's "interop
// test descriptions" tell what each does and must see.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/task.h"
#include "micro/client.h"

namespace interop {

// The names of all cases, in the suite's order.
std::vector<std::string_view> GrpcCases();

// Runs one case against the server at `address`. OK: it saw what it must; else what it saw.
// NOT_FOUND lists the cases there are.
micro::Task<absl::Status> RunGrpcCase(std::string name, std::shared_ptr<micro::Client> client,
                                      std::string address);

}  // namespace interop
