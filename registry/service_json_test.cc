#include "registry/service_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/testing/status_matchers.h"

namespace micro::registry {
namespace {

using testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// What json.Marshal makes of go-micro v5.30.0's registry.Service.
constexpr char kGreeterJson[] =
    R"({"name":"greeter","version":"1.0.0","metadata":null,"endpoints":[)"
    R"({"request":{"name":"Request","type":"Request","values":[{"name":"name","type":"string","values":null}]},)"
    R"("response":{"name":"Response","type":"Response","values":[{"name":"msg","type":"string","values":null}]},)"
    R"("metadata":{},"name":"Greeter.Hello"},)"
    R"({"request":{"name":"Context","type":"Context","values":null},)"
    R"("response":{"name":"Stream","type":"Stream","values":null},)"
    R"("metadata":{"stream":"true"},"name":"Greeter.Stream"},)"
    R"({"request":{"name":"Event","type":"Event","values":null},)"
    R"("response":{"name":"","type":"","values":null},)"
    R"("metadata":{"subscriber":"true","topic":"greetings"},"name":"Func"}],)"
    R"("nodes":[{"metadata":{"broker":"http","protocol":"mucp",)"
    R"("zone":"\u003cb\u003e\u0026\u2028 \"q\" \\ \t\u0001 é 日本"},)"
    R"("id":"greeter-1111","address":"127.0.0.1:8080"}]})";

const Service kGreeter{.name = "greeter",
                       .version = "1.0.0",
                       .endpoints = {{"Greeter.Hello",
                                      {"Request", "Request", {{"name", "string", {}}}},
                                      {"Response", "Response", {{"msg", "string", {}}}},
                                      {}},
                                     {"Greeter.Stream",
                                      {"Context", "Context", {}},
                                      {"Stream", "Stream", {}},
                                      {{"stream", "true"}}},
                                     {"Func",
                                      {"Event", "Event", {}},
                                      {},
                                      {{"subscriber", "true"}, {"topic", "greetings"}}}},
                       .nodes = {{.id = "greeter-1111",
                                  .address = "127.0.0.1:8080",
                                  .metadata = {{"broker", "http"},
                                               {"protocol", "mucp"},
                                               {"zone", "<b>&\u2028 \"q\" \\ \t\x01 é 日本"}}}}};

TEST(ServiceJson, IsToTheByteWhatGoMicroWrites) {
  EXPECT_EQ(ToJson(kGreeter), kGreeterJson);
  EXPECT_EQ(
      ToJson({.name = "a", .metadata = {{"team", "x"}}, .nodes = {{"a-1", "[::1]:1", {}}}}),
      R"({"name":"a","version":"","metadata":{"team":"x"},"endpoints":[],"nodes":[{"metadata":{},"id":"a-1","address":"[::1]:1"}]})");
}

TEST(ServiceJson, ReadsWhatGoMicroWrites) {
  const auto service = ParseService(kGreeterJson);
  ASSERT_THAT(service, IsOk());
  EXPECT_TRUE(*service == kGreeter) << ToJson(*service);
}

TEST(ServiceJson, NullsAndAbsentPartsAreEmptyAndWrongTypesAreLeftOut) {
  const auto nulls = ParseService(
      R"({"nodes":null,"endpoints":null,"metadata":null,"version":null,"name":"a","other":{}})");
  ASSERT_THAT(nulls, IsOk());
  EXPECT_TRUE(*nulls == Service{.name = "a"});
  const auto odd = ParseService(
      R"({"name":"a","version":7,"metadata":[],"endpoints":{"x":1},"nodes":[1,null,{"id":2,"address":[]}]})");
  ASSERT_THAT(odd, IsOk());
  EXPECT_TRUE((*odd == Service{.name = "a", .nodes = {Node()}}));
}

TEST(ServiceJson, WhatIsNoRecordIsRefused) {
  for (const std::string text : {"", "{", "[]", "null", "7", "\"a\"", "{}", R"({"name":""})",
                                 R"({"name":7})", R"({"name":"a"} x)", "{\"name\":\"\xff\"}"}) {
    EXPECT_THAT(ParseService(text), StatusIs(kInvalid)) << text;
  }
  const std::string whole = kGreeterJson;
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_THAT(ParseService(whole.substr(0, size)), StatusIs(kInvalid)) << size;
  }
}

TEST(ServiceJson, BombsAreRefused) {
  EXPECT_THAT(ParseService(R"({"name":"a","x":")" + std::string(10 << 20, 'x') + "\"}"),
              StatusIs(kInvalid, HasSubstr("1 MiB")));
  EXPECT_THAT(ParseService(R"({"name":"a","nodes":)" + std::string(100'000, '[') +
                           std::string(100'000, ']') + "}"),
              StatusIs(kInvalid, HasSubstr("levels")));
  std::string endpoints = R"({"name":"a","endpoints":[{})", nodes = R"({"name":"a","nodes":[{})";
  for (int i = 0; i < 45'000; ++i) {
    endpoints += ",{}";
    nodes += ",{}";
  }
  EXPECT_THAT(ParseService(endpoints + "]}"), StatusIs(kInvalid, HasSubstr("4 MiB of memory")));
  EXPECT_THAT(ParseService(nodes + "]}"), StatusIs(kInvalid, HasSubstr("4 MiB of memory")));
  std::string values = R"({"name":"a","x":[1)";
  for (int i = 0; i < 100'000; ++i) values += ",1";
  EXPECT_THAT(ParseService(values + "]}"), StatusIs(kInvalid, HasSubstr("50000 values")));
  std::string metadata = R"({"name":"a","metadata":{"x":"")";
  for (int i = 0; i < 2000; ++i) metadata += ",\"" + std::to_string(i) + "\":\"\"";
  EXPECT_THAT(ParseService(metadata + "}}"), StatusIs(kInvalid, HasSubstr("1024 members")));
}

}  // namespace
}  // namespace micro::registry
