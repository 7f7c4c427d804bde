#include "registry/mdns/txt_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "core/strings.h"
#include "core/testing/status_matchers.h"

namespace micro::registry {
namespace {

using testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// What go-micro v5.30.0 writes for a node of the greeter service.
const std::vector<std::string> kGreeterStrings = {
    "789c8c90316bc3301085ffcb9b854957eda55dbab4d0a56450edc3159575eaddd9108cfe7b51e2a4095d3209"
    "3eded327bd152f64610816e0577c0a7f93c0e3cbacc0a1081bf79ce031cd7d2342635493432343563828c972"
    "ec6c099390b5b0d8f99aeaf046b2c49ee0310a9191c0e19d442367783c74bb6e0787c73c148ed91",
    "4fe6385d0cf4c6aed59394cadfbba11073b945bb08434d3a9b7858fc725a926318f57c13ca754f7b57d480b6"
    "7a51bcf86ae4417f2df34e9788f68fadbb9ba73f7e93447f74c2931eabefe060000ffffddca8698"};

const TxtRecord kGreeter{
    .metadata = {{"broker", "http"},
                 {"protocol", "mucp"},
                 {"registry", "mdns"},
                 {"server", "mucp"},
                 {"transport", "http"}},
    .service = "greeter",
    .version = "1.0.0",
    .endpoints = {{.name = "Greeter.Hello",
                   .request = {"Request", "Request", {{"name", "string", {}}}},
                   .response = {"Response", "Response", {{"msg", "string", {}}}}}}};

// The strings of a record whose JSON is `json`.
std::vector<std::string> Strings(std::string_view json) {
  uLongf size = compressBound(json.size());
  std::string compressed(size, '\0');
  compress(reinterpret_cast<Bytef*>(compressed.data()), &size,
           reinterpret_cast<const Bytef*>(json.data()), json.size());
  compressed.resize(size);
  return {absl::BytesToHexString(ToAbsl(compressed))};
}

TEST(TxtRecord, ReadsWhatGoMicroWrites) {
  ASSERT_EQ(kGreeterStrings[0].size(), 255u);
  const auto record = DecodeTxt(kGreeterStrings);
  ASSERT_THAT(record, IsOk());
  EXPECT_TRUE(*record == kGreeter);
}

TEST(TxtRecord, ReadsWhatItWritesInStringsThatFit) {
  TxtRecord record = kGreeter;
  for (int i = 0; i < 50; ++i)
    record.metadata["key" + std::to_string(i * i)] = "größe " + std::to_string(i);
  const std::vector<std::string> strings = EncodeTxt(record);
  ASSERT_GT(strings.size(), 1u);
  for (size_t i = 0; i + 1 < strings.size(); ++i) EXPECT_EQ(strings[i].size(), 255u);
  EXPECT_LE(strings.back().size(), 255u);
  const auto read = DecodeTxt(strings);
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(*read == record);
}

TEST(TxtRecord, NullsAndAbsentPartsAreEmpty) {
  const auto record =
      DecodeTxt(Strings(R"({"Metadata":null,"Service":"a","Endpoints":null,"Other":1})"));
  ASSERT_THAT(record, IsOk());
  EXPECT_TRUE(*record == TxtRecord{.service = "a"});
}

TEST(TxtRecord, PartsOfAnotherTypeAreLeftOut) {
  const auto record = DecodeTxt(Strings(
      R"({"Metadata":{"a":1,"b":"c"},"Service":["a"],"Version":"1","Endpoints":[1,{"name":"x","request":2}]})"));
  ASSERT_THAT(record, IsOk());
  EXPECT_TRUE(*record ==
              (TxtRecord{.metadata = {{"b", "c"}}, .version = "1", .endpoints = {{.name = "x"}}}));
}

TEST(TxtRecord, BytesThatAreNotUtf8AreReplaced) {
  const auto record = DecodeTxt(EncodeTxt({.service = "a\xff"
                                                      "b"}));
  ASSERT_THAT(record, IsOk());
  EXPECT_EQ(record->service, "a\uFFFDb");
}

TEST(TxtRecord, WhatIsNoRecordIsRefused) {
  EXPECT_THAT(DecodeTxt({}), StatusIs(kInvalid, HasSubstr("zlib")));
  EXPECT_THAT(DecodeTxt({""}), StatusIs(kInvalid, HasSubstr("zlib")));
  EXPECT_THAT(DecodeTxt({"abc"}), StatusIs(kInvalid, HasSubstr("hexadecimal")));
  EXPECT_THAT(DecodeTxt({"path=/"}), StatusIs(kInvalid, HasSubstr("hexadecimal")));
  EXPECT_THAT(DecodeTxt({"0123"}), StatusIs(kInvalid, HasSubstr("zlib")));
  EXPECT_THAT(DecodeTxt({kGreeterStrings[0].substr(1)}), StatusIs(kInvalid));
  EXPECT_THAT(DecodeTxt({kGreeterStrings[0]}), StatusIs(kInvalid));
  EXPECT_THAT(DecodeTxt(Strings("[]")), StatusIs(kInvalid, HasSubstr("no JSON object")));
  EXPECT_THAT(DecodeTxt(Strings("{")), StatusIs(kInvalid, HasSubstr("no JSON object")));
}

TEST(TxtRecord, ABombIsRefused) {
  EXPECT_THAT(DecodeTxt(Strings(std::string(64 << 20, ' '))),
              StatusIs(kInvalid, HasSubstr("1 MiB")));
}

TEST(TxtRecord, ATreeThatIsTooDeepIsRefused) {
  std::string json = R"({"Service":"a","Endpoints":)";
  for (int i = 0; i < 10000; ++i) json += '[';
  for (int i = 0; i < 10000; ++i) json += ']';
  EXPECT_THAT(DecodeTxt(Strings(json + "}")), StatusIs(kInvalid, HasSubstr("levels")));
}

}  // namespace
}  // namespace micro::registry
