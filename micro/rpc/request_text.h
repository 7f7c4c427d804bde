// The requests that a client sends: head and body in one buffer, so that each goes out in one
// write.
//
//   RequestText text(std::move(recycled));
//   text.Begin(address);
//   RETURN_IF_ERROR(AppendHeaders(header, ctx.metadata(), text.bytes()));
//   text.EndHeaders();
//   … the body to text.bytes() …
//   socket.Write(text.Finish(ctx.remaining()));
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/metadata.h"

namespace micro::rpc {

struct RequestHeader {
  std::string_view service = {};
  std::string_view endpoint = {};
  std::string_view content_type = {};
  uint64_t id = 0;
  bool stream = false;  // bears Micro-Stream
};

// Appends the headers of a call: go-micro's, and metadata that is forwarded under its canonical
// names, where it does not stand in the way of go-micro's own. INVALID_ARGUMENT names what no HTTP
// header can carry.
absl::Status AppendHeaders(const RequestHeader& header, const Metadata& metadata, std::string* out);

// The one header that ends a client's messages.
inline constexpr std::string_view kEndHeader = "Micro-Error: EOS\r\n";

// One request in the making.
class RequestText {
 public:
  // `recycled` gives its room.
  explicit RequestText(std::string recycled = {}) : bytes_(std::move(recycled)) {}

  // Starts over, for a node's address, which is lent until the last Finish.
  void Begin(std::string_view host);

  // Where headers, each with its end of line, and then the body are appended.
  std::string& bytes() { return bytes_; }

  void EndHeaders();

  // The whole request, until the next Begin. What is known last stands in front: the body's length,
  // and the time that the call has from now. May be asked again with another time.
  std::string_view Finish(absl::Duration timeout);

  // The buffer, for the next request.
  std::string Recycle() && { return std::move(bytes_); }

 private:
  std::string bytes_;
  std::string_view host_;
  size_t front_ = 0;  // room for what stands in front
  size_t body_ = 0;   // where the body begins
};

}  // namespace micro::rpc
