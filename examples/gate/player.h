// A player who says something and prints what it is answered.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "core/task.h"
#include "due/network/client.h"

// Connects, sends one packet, and prints the answer with the network it came over. DEADLINE_EXCEEDED:
// there was none, and due's gates tell nobody why; else why the gate cannot be reached.
micro::Task<absl::Status> SayHello(micro::Context ctx, due::ClientOptions options, int32_t route,
                                   std::string name);
