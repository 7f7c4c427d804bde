#include "tests/interop/greeter.h"

#include "core/async.h"
#include "core/errors.h"
#include "core/status_macros.h"

namespace interop {

using micro::Context;
using micro::Task;

Task<absl::Status> Greeter::Hello(const Context&, const helloworld::HelloRequest& request,
                                  helloworld::HelloResponse& response) {
  response.set_greeting("Hello " + request.name());
  co_return absl::OkStatus();
}

Task<absl::Status> Greeter::Fail(const Context&, const helloworld::FailRequest&,
                                 helloworld::FailResponse&) {
  co_return micro::errors::NotFound("helloworld", "no such user");
}

Task<absl::Status> Greeter::Sleep(const Context& ctx, const helloworld::SleepRequest& request,
                                  helloworld::SleepResponse& response) {
  const absl::Time start = micro::Clock::Real().Now();
  CO_RETURN_IF_ERROR(co_await micro::Sleep(ctx, absl::Milliseconds(request.ms())));
  response.set_slept_ms(absl::ToInt64Milliseconds(micro::Clock::Real().Now() - start));
  co_return absl::OkStatus();
}

Task<absl::Status> Greeter::Echo(const Context&, const helloworld::EchoMessage& request,
                                 helloworld::EchoMessage& response) {
  response.set_payload(request.payload());
  co_return absl::OkStatus();
}

Task<absl::Status> Greeter::Meta(const Context& ctx, const helloworld::MetaRequest&,
                                 helloworld::MetaResponse& response) {
  for (const auto& [key, value] : ctx.metadata()) (*response.mutable_metadata())[key] = value;
  co_return absl::OkStatus();
}

Task<absl::Status> Greeter::Count(const Context& ctx, const helloworld::CountRequest& request,
                                  micro::SendStream<helloworld::CountResponse>& stream) {
  for (int64_t i = 1; i <= request.n(); ++i) {
    if (i > 1 && request.gap_ms() > 0) {
      CO_RETURN_IF_ERROR(co_await micro::Sleep(ctx, absl::Milliseconds(request.gap_ms())));
    }
    helloworld::CountResponse response;
    response.set_i(i);
    CO_RETURN_IF_ERROR(co_await stream.Send(response));
  }
  co_return absl::OkStatus();
}

Task<absl::Status> Greeter::Sum(const Context&, micro::RecvStream<helloworld::SumRequest>& stream,
                                helloworld::SumResponse& response) {
  int64_t total = 0;
  while (true) {
    CO_ASSIGN_OR_RETURN(const std::optional<helloworld::SumRequest> request,
                        co_await stream.Recv());
    if (!request.has_value()) break;
    total += request->n();
    if (request->last()) break;
  }
  response.set_total(total);
  co_return absl::OkStatus();
}

Task<absl::Status> Greeter::Chat(
    const Context&, micro::Stream<helloworld::ChatMessage, helloworld::ChatMessage>& stream) {
  while (true) {
    CO_ASSIGN_OR_RETURN(const std::optional<helloworld::ChatMessage> said, co_await stream.Recv());
    if (!said.has_value()) co_return absl::OkStatus();
    CO_RETURN_IF_ERROR(co_await stream.Send(*said));
  }
}

}  // namespace interop
