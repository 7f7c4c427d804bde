// What a server learns from the headers of one request.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "core/metadata.h"
#include "micro/rpc/http_message.h"

namespace micro::rpc {

struct Incoming {
  // Of the Micro-* headers, or their X-Micro-* twins; views into the message.
  std::string_view endpoint = {};  // else what Micro-Method says
  std::string_view method = {};
  std::string_view stream = {};
  std::string_view error = {};
  std::string_view topic = {};
  std::string_view target = {};
  bool legacy = false;  // from before these headers: method and id are in the body

  std::string_view content_type = {};  // as it came
  std::string_view timeout_text = {};
  absl::Duration timeout = absl::InfiniteDuration();  // infinite too where the text is no number

  Metadata metadata = {};  // with Local and Remote

  // The headers that go back with the answer, as lines.
  std::string echo = {};
};

// Reads the headers of `message`, names canonicalised as Go's net/http does, of repeated ones (and
// of a Micro-* and its twin) the first. Not echoed are what describes one hop, the content type and length, which every answer has
// its own of, errors and Authorization; nor more than 16 KiB.
Incoming ReadIncoming(const HttpMessage& message, std::string_view local, std::string_view remote);

// A header's name as Go's net/http spells it: "micro-ID" becomes "Micro-Id", "foo_bar" "Foo_bar".
std::string CanonicalHeader(std::string_view name);

}  // namespace micro::rpc
