// The caller's side of the streams: what main.cc does with itself, and client.cc with another
// process.
#pragma once

#include <string>
#include <vector>

#include "examples/streaming/streaming.micro.h"

namespace streaming {

// Prints the numbers from one to `to` as they come, and the stream's end.
micro::Task<absl::Status> PrintCount(micro::Context ctx, SpeakerService speaker, int64_t to);

// Reads the first few numbers of a count that has no end, and leaves.
micro::Task<absl::Status> PrintStartOfEndlessCount(micro::Context ctx, SpeakerService speaker);

// Says one text after the other, and prints the answers.
micro::Task<absl::Status> PrintChat(micro::Context ctx, SpeakerService speaker,
                                    std::vector<std::string> texts);

}  // namespace streaming
