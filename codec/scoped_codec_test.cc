// In a program of its own: the codecs are made once in a process.
#include <memory>

#include "codec/codec.h"
#include "core/plugin_table.h"
#include "gtest/gtest.h"

namespace micro::codec {
namespace {

class QuietCodec final : public Codec {
 public:
  std::string_view name() const override { return "quiet"; }

 protected:
  absl::Status MarshalMessage(const google::protobuf::Message&,
                              google::protobuf::io::ZeroCopyOutputStream&) const override {
    return absl::OkStatus();
  }
  absl::Status UnmarshalMessage(google::protobuf::io::ZeroCopyInputStream&,
                                google::protobuf::Message&) const override {
    return absl::OkStatus();
  }
};

TEST(ScopedPlugin, OfACodecIsFoundWhenItStandsBeforeTheFirstLookUp) {
  const auto make = [](const Codec::PluginOptions&) { return std::make_unique<QuietCodec>(); };
  const auto fail = [](const Codec::PluginOptions&) { return absl::UnavailableError("no codec"); };
  const ScopedPlugin<Codec> quiet("quiet", make);
  const ScopedPlugin<Codec> broken("broken", fail);
  const auto found = ForContentType("application/grpc+quiet");
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ((*found)->name(), "quiet");
  EXPECT_FALSE(ForContentType("application/grpc+broken").ok());
  const ScopedPlugin<Codec> late("late", make);
  EXPECT_FALSE(ForContentType("application/grpc+late").ok());
}

}  // namespace
}  // namespace micro::codec
