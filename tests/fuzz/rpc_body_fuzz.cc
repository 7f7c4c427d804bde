// Any body may come under any content type; what was read and is written is read back the same.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "codec/codec_test.pb.h"
#include "micro/rpc/body.h"
#include "micro/rpc/legacy.h"

namespace {

using micro::codec::test::User;
using micro::rpc::BodyFormat;
using micro::rpc::LegacyFormat;

constexpr size_t kLimit = 1 << 20;

void TryBody(const char* content_type, std::string_view body) {
  const BodyFormat format = BodyFormat::Of(content_type).value();
  User user, again;
  if (!format.Read(body, user).ok()) return;
  std::string written;
  if (!format.Append(user, kLimit, written).ok()) return;
  if (!format.Read(written, again).ok()) std::abort();
}

void TryLegacy(const char* content_type, std::string_view body) {
  const LegacyFormat format = LegacyFormat::Of(content_type).value();
  User user;
  (void)format.ReadResponse(body, user);
  const auto call = format.ReadRequest(body);
  if (!call.ok() || !format.ReadMessage(*call, user).ok()) return;
  std::string request, response;
  if (!format.AppendRequest(call->endpoint, 7, user, kLimit, request).ok()) return;
  const auto again = format.ReadRequest(request);
  if (!again.ok() || !format.ReadMessage(*again, user).ok()) std::abort();
  if (!format.AppendResponse(*call, user, kLimit, response).ok()) return;
  if (!format.ReadResponse(response, user).ok()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const char* type : {"application/json", "application/grpc", "application/grpc+json"})
    TryBody(type, body);
  for (const char* type : {"application/json", "application/protobuf"}) TryLegacy(type, body);
  return 0;
}
