#include "examples/streaming/conversation.h"

#include <cstdio>

#include "core/status_macros.h"

namespace streaming {

micro::Task<absl::Status> PrintCount(micro::Context ctx, SpeakerService speaker, int64_t to) {
  CountRequest request;
  request.set_to(to);
  CO_ASSIGN_OR_RETURN(auto stream, co_await speaker.Count(ctx, request));
  while (true) {
    CO_ASSIGN_OR_RETURN(const std::optional<CountResponse> response, co_await stream.Recv());
    if (!response.has_value()) break;  // the call ended well; any other end is an error
    std::printf("count: %d\n", static_cast<int>(response->number()));
  }
  std::printf("count: the end\n");
  co_return absl::OkStatus();
}

micro::Task<absl::Status> PrintStartOfEndlessCount(micro::Context ctx, SpeakerService speaker) {
  CO_ASSIGN_OR_RETURN(auto stream, co_await speaker.Count(ctx, CountRequest()));
  for (int i = 0; i < 2; ++i) {
    CO_ASSIGN_OR_RETURN(const std::optional<CountResponse> response, co_await stream.Recv());
    if (!response.has_value()) co_return absl::InternalError("an endless count ended");
    std::printf("endless count: %d\n", static_cast<int>(response->number()));
  }
  std::printf("endless count: enough\n");
  co_return absl::OkStatus();  // the stream goes out of scope, which cancels the call
}

micro::Task<absl::Status> PrintChat(micro::Context ctx, SpeakerService speaker,
                                    std::vector<std::string> texts) {
  CO_ASSIGN_OR_RETURN(auto stream, co_await speaker.Chat(ctx));
  for (const std::string& text : texts) {
    ChatMessage said;
    said.set_text(text);
    CO_RETURN_IF_ERROR(co_await stream.Send(said));
    CO_ASSIGN_OR_RETURN(const std::optional<ChatMessage> answer, co_await stream.Recv());
    if (!answer.has_value()) co_return absl::InternalError("the chat ended before the answer");
    std::printf("chat: %s -> %s\n", text.c_str(), answer->text().c_str());
  }
  const absl::Status closed = co_await stream.CloseSend();
  if (closed.ok()) {
    CO_ASSIGN_OR_RETURN(const std::optional<ChatMessage> more, co_await stream.Recv());
    if (more.has_value()) co_return absl::InternalError("an answer to nothing");
  } else if (!absl::IsUnimplemented(closed)) {  // HTTP RPC has no half-close: leaving ends the call
    co_return closed;
  }
  std::printf("chat: the end\n");
  co_return absl::OkStatus();
}

}  // namespace streaming
