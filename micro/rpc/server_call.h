// One unary call on a server, from its request to its answer.
#pragma once

#include "micro/rpc/connection.h"
#include "micro/rpc/http_message.h"
#include "micro/rpc/incoming.h"

namespace micro::rpc {

// Begins the call of `message`; `answer` of `connection` gets what comes of it, at once or later.
void StartCall(Connection& connection, Connection::Answer& answer, const HttpMessage& message,
               Incoming incoming);

}  // namespace micro::rpc
