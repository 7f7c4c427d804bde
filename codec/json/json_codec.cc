// The codec "json": protobuf's JSON mapping. It writes lowerCamelCase names and 64-bit integers as
// text; it reads either form of names, and skips fields that it does not know.
#include <fmt/format.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>

#include "codec/codec.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"

namespace micro::codec {
namespace {

// Nested as deep as protobuf's reader lets objects be.
constexpr int kMostDepth = 100;

// Whether `json` nests deeper than that. Protobuf's reader sets arrays no limit, and its time grows
// with the square of their depth: 16 KiB of brackets keep it busy for a second. Strings may stand
// in either quotes there.
bool IsTooDeep(std::string_view json) {
  int depth = 0;
  char quote = 0;  // of the string that we are in
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (quote != 0) {
      if (c == '\\') ++i;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '[' || c == '{') {
      if (++depth > kMostDepth) return true;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return false;
}

class JsonCodec final : public Codec {
 public:
  std::string_view name() const override { return "json"; }

 protected:
  absl::Status MarshalMessage(const google::protobuf::Message& message,
                              google::protobuf::io::ZeroCopyOutputStream& out) const override {
    Frame text;
    const auto status = google::protobuf::util::MessageToJsonString(message, &text.data);
    if (!status.ok()) {
      return absl::InvalidArgumentError(fmt::format(
          "{} cannot be written as JSON: {}", message.GetTypeName(), status.message().ToString()));
    }
    return Marshal(text, out);
  }

  absl::Status UnmarshalMessage(google::protobuf::io::ZeroCopyInputStream& in,
                                google::protobuf::Message& message) const override {
    Frame text;
    RETURN_IF_ERROR(Unmarshal(in, text));
    if (IsTooDeep(text.data)) {
      return absl::InvalidArgumentError(fmt::format(
          "the body is not JSON of {}: nested deeper than {}", message.GetTypeName(), kMostDepth));
    }
    google::protobuf::util::JsonParseOptions options;
    options.ignore_unknown_fields = true;
    message.Clear();
    const auto status = google::protobuf::util::JsonStringToMessage(text.data, &message, options);
    if (status.ok()) return absl::OkStatus();
    return absl::InvalidArgumentError(fmt::format(
        "the body is not JSON of {}: {}", message.GetTypeName(), status.message().ToString()));
  }
};

MICRO_PLUGIN(Codec, "json",
             [](const Codec::PluginOptions&) { return std::make_unique<JsonCodec>(); });

}  // namespace
}  // namespace micro::codec
