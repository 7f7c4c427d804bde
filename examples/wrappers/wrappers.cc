#include "examples/wrappers/wrappers.h"

#include <utility>

#include "core/clock.h"
#include "core/errors.h"
#include "core/log.h"

namespace wrappers {
namespace {

using micro::Context;
using micro::Request;
using micro::Task;

void Log(std::string_view what, const Request& request, absl::Time start,
         const absl::Status& status) {
  micro::log::Info(what, {{"endpoint", request.method.endpoint},
                          {"took", micro::Clock::Real().Now() - start},
                          {"status", status}});
}

class LoggingClient final : public micro::ForwardingClient {
 public:
  using ForwardingClient::ForwardingClient;

  Task<absl::Status> Call(Context ctx, Request request, micro::codec::Body response,
                          micro::CallOptions options) override {
    const absl::Time start = micro::Clock::Real().Now();
    absl::Status status = co_await next().Call(ctx, request, response, std::move(options));
    Log("called", request, start, status);
    co_return status;
  }
};

}  // namespace

// A function that a wrapper returns is a coroutine, and its captures live as long as the server or
// client that holds it: longer than any call.
micro::HandlerFunc LogHandled(micro::HandlerFunc next) {
  return [next](const Context& ctx, const Request& request,
                micro::Response response) -> Task<absl::Status> {
    const absl::Time start = micro::Clock::Real().Now();
    absl::Status status = co_await next(ctx, request, response);
    Log("handled", request, start, status);
    co_return status;
  };
}

micro::HandlerFunc RequireToken(std::string token, micro::HandlerFunc next) {
  return [bearer = "Bearer " + token, next](const Context& ctx, const Request& request,
                                            micro::Response response) -> Task<absl::Status> {
    if (ctx.metadata().Get(micro::headers::kAuthorization) != bearer) {
      co_return micro::errors::Unauthorized(request.service, "a valid token is needed");
    }
    co_return co_await next(ctx, request, response);
  };
}

micro::CallFunc AddToken(std::string token, micro::CallFunc next) {
  if (token.empty()) return next;
  return
      [bearer = "Bearer " + token, next](const Context& ctx, const micro::registry::Node& node,
                                         const Request& request, micro::CallResponse response,
                                         const micro::CallOptions& options) -> Task<absl::Status> {
        const Context authorized = WithMetadata(ctx, micro::headers::kAuthorization, bearer);
        co_return co_await next(authorized, node, request, response, options);
      };
}

std::shared_ptr<micro::Client> LogCalls(std::shared_ptr<micro::Client> next) {
  return std::make_shared<LoggingClient>(std::move(next));
}

}  // namespace wrappers
