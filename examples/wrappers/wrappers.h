// Middleware of the three kinds: around a handler, around an attempt of a call, and around a
// client. Each takes what comes next and returns one of its kind.
#pragma once

#include <memory>
#include <string>

#include "micro/client.h"
#include "micro/handler.h"

namespace wrappers {

// Logs each call that comes in: what it was, how it ended and how long it took.
micro::HandlerFunc LogHandled(micro::HandlerFunc next);

// Refuses a call without `Authorization: Bearer <token>` in its metadata with error 401; the
// handler never sees it.
micro::HandlerFunc RequireToken(std::string token, micro::HandlerFunc next);

// Adds `Authorization: Bearer <token>` to the metadata of each call that goes out; an empty token
// adds nothing.
micro::CallFunc AddToken(std::string token, micro::CallFunc next);

// Logs each call that is made, with all its attempts.
std::shared_ptr<micro::Client> LogCalls(std::shared_ptr<micro::Client> next);

}  // namespace wrappers
