// Another process: has the service count, then chats with it.
#include <cstdio>

#include "core/errors.h"
#include "core/status_macros.h"
#include "examples/streaming/conversation.h"
#include "micro/service.h"

namespace {

micro::Task<absl::Status> Talk(micro::Context ctx, streaming::SpeakerService speaker, int64_t to,
                               std::vector<std::string> texts) {
  CO_RETURN_IF_ERROR(co_await streaming::PrintCount(ctx, speaker, to));
  co_return co_await streaming::PrintChat(ctx, speaker, texts);
}

}  // namespace

int main(int argc, char** argv) {
  int64_t to = 3;
  std::vector<std::string> say = {"hello", "goodbye"};
  auto service = micro::NewService({
      .name = "streaming-client",
      .description = "Has the service streaming count, and chats with it.",
      .flags = {{"to", &to, "the last number of the count [3]"},
                {"say", &say, "what is said, a comma list [hello,goodbye]"}},
  });
  service->Init(&argc, argv);

  const streaming::SpeakerService speaker("streaming", service->client());
  const absl::Status talked = micro::BlockOn(Talk(micro::Context(), speaker, to, say));
  if (talked.ok()) return 0;
  std::fprintf(stderr, "%s\n", micro::errors::ToText(talked).c_str());
  return 1;
}
