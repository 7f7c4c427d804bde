#include "core/metadata.h"

#include "core/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace micro {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;
using testing::Pair;

TEST(Metadata, FindsAKeyWithoutRegardToCase) {
  const Metadata metadata = {{"Micro-Topic", "events"}};
  EXPECT_THAT(metadata.Get("micro-topic"), Optional(std::string_view("events")));
  EXPECT_THAT(metadata.Get("MICRO-TOPIC"), Optional(std::string_view("events")));
  EXPECT_EQ(metadata.Get("Micro_Topic"), std::nullopt);
}

TEST(Metadata, KeepsTheCaseItWasSetWith) {
  Metadata metadata = {{"foo_Bar", "1"}};
  EXPECT_THAT(metadata, ElementsAre(Pair("foo_Bar", "1")));
  metadata.Set("Foo_bar", "2");
  EXPECT_THAT(metadata, ElementsAre(Pair("Foo_bar", "2")));
}

TEST(Metadata, KeepsTheOrderOfSetting) {
  Metadata metadata;
  metadata.Set("b", "1");
  metadata.Set("a", "2");
  metadata.Set("B", "3");
  EXPECT_THAT(metadata, ElementsAre(Pair("B", "3"), Pair("a", "2")));
}

TEST(Metadata, DeletesAKeyThatIsSetToNothing) {
  Metadata metadata = {{"a", "1"}, {"b", ""}};
  EXPECT_EQ(metadata.size(), 1u);
  metadata.Set("A", "");
  EXPECT_TRUE(metadata.empty());
  metadata.Set("a", "");
  EXPECT_TRUE(metadata.empty());
}

TEST(Metadata, DeletesAKeyWithoutRegardToCase) {
  Metadata metadata = {{"a", "1"}, {"b", "2"}};
  metadata.Delete("A");
  metadata.Delete("c");
  EXPECT_THAT(metadata, ElementsAre(Pair("b", "2")));
}

TEST(Metadata, JoinsTheValuesOfAWire) {
  Metadata metadata;
  metadata.Append("accept", "text/plain");
  metadata.Append("Accept", "text/html");
  EXPECT_THAT(metadata, ElementsAre(Pair("accept", "text/plain, text/html")));
}

TEST(Metadata, MergesWithOrWithoutOverwriting) {
  const Metadata other = {{"A", "new"}, {"c", "3"}};
  Metadata overwritten = {{"a", "old"}, {"b", "2"}};
  overwritten.Merge(other);
  EXPECT_EQ(overwritten, (Metadata{{"a", "new"}, {"b", "2"}, {"c", "3"}}));
  Metadata kept = {{"a", "old"}, {"b", "2"}};
  kept.Merge(other, /*overwrite=*/false);
  EXPECT_EQ(kept, (Metadata{{"a", "old"}, {"b", "2"}, {"c", "3"}}));
}

TEST(Metadata, AMergedEmptyValueDeletesTheKey) {
  Metadata with_empty;
  with_empty.Append("a", "");
  Metadata metadata = {{"A", "1"}, {"b", "2"}};
  metadata.Merge(with_empty);
  EXPECT_EQ(metadata, (Metadata{{"b", "2"}}));
}

TEST(Metadata, IsEqualInAnyOrderAndCaseOfKeys) {
  EXPECT_EQ((Metadata{{"a", "1"}, {"b", "2"}}), (Metadata{{"B", "2"}, {"A", "1"}}));
  EXPECT_FALSE((Metadata{{"a", "1"}}) == (Metadata{{"a", "2"}}));
  EXPECT_FALSE((Metadata{{"a", "1"}}) == (Metadata{{"b", "1"}}));
  EXPECT_FALSE((Metadata{{"a", "1"}}) == (Metadata{{"a", "1"}, {"b", "2"}}));
}

TEST(CheckHeader, TakesWhatEveryWireCarries) {
  EXPECT_THAT(CheckHeader("X-Trace_id.2", " ~text"), IsOk());
  EXPECT_THAT(CheckHeader("x", ""), IsOk());
  EXPECT_THAT(CheckHeader("Any-Bin", std::string("\0\xff\n", 3)), IsOk());
}

TEST(CheckHeader, NamesWhatNoHeaderCarries) {
  for (const char* key : {"", "a key", "caf\xc3\xa9", ":path", "a:b", "a\n"}) {
    EXPECT_THAT(CheckHeader(key, "x"),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("cannot be a header")))
        << key;
  }
  for (const char* value : {"\t", "a\r\nb: c", "caf\xc3\xa9", "\x7f"}) {
    EXPECT_THAT(CheckHeader("key", value),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"key\" has byte 0x")))
        << value;
  }
  EXPECT_THAT(CheckHeader("key", "a\tb"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "metadata \"key\" has byte 0x09, which a header cannot carry; encode it, or "
                       "end the key in -bin"));
}

TEST(CanonicalKey, IsGosTitleCase) {
  EXPECT_EQ(CanonicalKey("x-trace-id"), "X-Trace-Id");
  EXPECT_EQ(CanonicalKey("Micro-ID"), "Micro-ID");
  EXPECT_EQ(CanonicalKey("foo_bar"), "Foo_bar");
  EXPECT_EQ(CanonicalKey(":authority"), ":Authority");
  EXPECT_EQ(CanonicalKey("grpc.2fast.4you"), "Grpc.2fast.4you");
  EXPECT_EQ(CanonicalKey("don't"), "Don'T");
  EXPECT_EQ(CanonicalKey("caf\xc3\xa9s"), "Caf\xc3\xa9s");
  EXPECT_EQ(CanonicalKey(""), "");
}

TEST(IsForwarded, KeepsWhatBelongsToTheCall) {
  for (const char* key : {"Authorization", "X-Trace-Id", "Micro-Namespace", "Micro-From-Service",
                          "traceparent", "localx"}) {
    EXPECT_TRUE(IsForwarded(key)) << key;
  }
}

TEST(IsForwarded, DropsWhatBelongsToOneHop) {
  for (const char* key : {"Content-Length", "content-type", "Connection", "Transfer-Encoding", "TE",
                          "Timeout", "Local", "Remote", "User-Agent", "Micro-Topic", "Host",
                          ":authority", "grpc-timeout", "Grpc-Encoding", "x-content-type", ""}) {
    EXPECT_FALSE(IsForwarded(key)) << key;
  }
}

}  // namespace
}  // namespace micro
