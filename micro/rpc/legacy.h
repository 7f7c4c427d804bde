// The bodies of unary calls from before the Micro-* headers, in which method, id and error travel
// beside the message: JSON-RPC 1.0 and protorpc. A go-micro client writes them, with the headers
// too and as application/json-rpc and application/proto-rpc, to nodes whose metadata does not say
// `protocol`; a go-micro server reads them under these types, and where no Micro-* header says the
// endpoint.
//
// A small value without state; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "codec/codec.h"

namespace micro::rpc {

struct LegacyCall {
  std::string endpoint = {};  // "Greeter.Hello"
  std::string id = {};        // as its response bears it
  std::string message = {};   // encoded
};

class LegacyFormat {
 public:
  // JSON-RPC for application/json and application/json-rpc, protorpc for application/protobuf,
  // application/proto-rpc and no content type. INVALID_ARGUMENT: `unsupported Content-Type: …`.
  static absl::StatusOr<LegacyFormat> Of(std::string_view content_type);

  // Whether a content type is one of theirs alone: application/json-rpc, application/proto-rpc.
  static bool IsNamedBy(std::string_view content_type);

  // The content type that it goes by: "application/json-rpc", "application/proto-rpc".
  std::string_view content_type() const;

  // ---- A server's side. ----

  // INVALID_ARGUMENT: that is no such request.
  absl::StatusOr<LegacyCall> ReadRequest(std::string_view body) const;
  absl::Status ReadMessage(const LegacyCall& call, codec::Body message) const;

  // Adds a response to `body`, which is as it was on an error. RESOURCE_EXHAUSTED: the message is
  // more than `limit` bytes.
  absl::Status AppendResponse(const LegacyCall& call, codec::ConstBody message, size_t limit,
                              std::string& body) const;
  void AppendError(const LegacyCall& call, std::string_view error, std::string& body) const;

  // ---- A client's side. ----

  absl::Status AppendRequest(std::string_view endpoint, uint64_t id, codec::ConstBody message,
                             size_t limit, std::string& body) const;

  // The error's text, empty where the call went well and `message` is its response.
  // INVALID_ARGUMENT: that is no such response.
  absl::StatusOr<std::string> ReadResponse(std::string_view body, codec::Body message) const;

 private:
  LegacyFormat(bool json, const codec::Codec& codec) : json_(json), codec_(&codec) {}
  absl::StatusOr<std::string> Encode(codec::ConstBody message, size_t limit) const;

  bool json_;
  const codec::Codec* codec_;
};

}  // namespace micro::rpc
