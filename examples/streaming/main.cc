// A service that speaks in streams: it starts, holds a conversation with itself and serves until
// Ctrl-C.
#include <cstdio>

#include "core/log.h"
#include "core/status_macros.h"
#include "examples/streaming/conversation.h"
#include "micro/service.h"

namespace {

class Speaker final : public streaming::SpeakerHandler {
  micro::Task<absl::Status> Count(const micro::Context&, const streaming::CountRequest& request,
                                  micro::SendStream<streaming::CountResponse>& stream) override {
    streaming::CountResponse response;
    for (int64_t number = 1; request.to() == 0 || number <= request.to(); ++number) {
      response.set_number(number);
      const absl::Status sent = co_await stream.Send(response);  // waits while the caller is slow
      if (!sent.ok()) {
        micro::log::Info("the caller has left", {{"why", sent}});
        co_return sent;
      }
    }
    co_return absl::OkStatus();  // ends the stream
  }

  micro::Task<absl::Status> Chat(
      const micro::Context&,
      micro::Stream<streaming::ChatMessage, streaming::ChatMessage>& stream) override {
    while (true) {
      CO_ASSIGN_OR_RETURN(const std::optional<streaming::ChatMessage> said, co_await stream.Recv());
      if (!said.has_value()) co_return absl::OkStatus();  // the caller has half-closed
      streaming::ChatMessage answer;
      answer.set_text("You said " + said->text());
      CO_RETURN_IF_ERROR(co_await stream.Send(answer));
    }
  }
};

micro::Task<absl::Status> TalkToOneself(micro::Context ctx, micro::Service& service) {
  const streaming::SpeakerService speaker(service.options().name, service.client());
  CO_RETURN_IF_ERROR(co_await streaming::PrintCount(ctx, speaker, 3));
  CO_RETURN_IF_ERROR(co_await streaming::PrintStartOfEndlessCount(ctx, speaker));
  CO_RETURN_IF_ERROR(co_await streaming::PrintChat(ctx, speaker, {"hello", "goodbye"}));
  std::fflush(stdout);
  co_return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  bool once = false;
  auto service = micro::NewService({
      .name = "streaming",
      .description = "Speaks in streams: a count, and a chat.",
      .after_start = {[&](micro::Context ctx,
                          micro::Service& service) -> micro::Task<absl::Status> {
        absl::Status talked = co_await TalkToOneself(ctx, service);
        if (once) service.Shutdown();
        co_return talked;
      }},
      .flags = {{"once", &once, "exit after the talk with itself"}},
  });
  service->Init(&argc, argv);
  streaming::RegisterSpeakerHandler(*service->server(), std::make_shared<Speaker>());
  return service->Run();
}
