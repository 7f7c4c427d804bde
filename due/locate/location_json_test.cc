#include "due/locate/location_json.h"

#include <gtest/gtest.h>

#include "core/testing/status_matchers.h"

namespace due {
namespace {

struct Example {
  LocationEvent event;
  std::string json;
};

TEST(LocationJson, WritesAndReadsTheEventsOfDueByteForByte) {
  const Example examples[] = {
      {{LocationEvent::kBindGate, 1001, "g1", "gate", ""},
       R"({"uid":1001,"type":1,"insID":"g1","insKind":"gate","insName":""})"},
      {{LocationEvent::kBindNode, 1001, "n1", "node", "hall"},
       R"({"uid":1001,"type":2,"insID":"n1","insKind":"node","insName":"hall"})"},
      {{LocationEvent::kUnbindGate, 1001, "g1", "gate", ""},
       R"({"uid":1001,"type":3,"insID":"g1","insKind":"gate","insName":""})"},
      {{LocationEvent::kUnbindNode, INT64_MIN, "n1", "node", "hall"},
       R"({"uid":-9223372036854775808,"type":4,"insID":"n1","insKind":"node","insName":"hall"})"}};
  for (const Example& example : examples) {
    EXPECT_EQ(ToJson(example.event), example.json);
    const auto read = ParseLocationEvent(example.json);
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, example.event);
  }
}

TEST(LocationJson, TakesMembersInAnyOrderAndUnknownOnes) {
  const auto read = ParseLocationEvent(
      R"({"x":[1],"insName":"hall","insKind":"?","insID":"n1","type":2,"uid":5})");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, (LocationEvent{LocationEvent::kBindNode, 5, "n1", "node", "hall"}));
}

TEST(LocationJson, RefusesWhatIsNoEvent) {
  const std::string good = R"({"uid":1,"type":2,"insID":"n1","insKind":"node","insName":"hall"})";
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(ParseLocationEvent(good.substr(0, size)).ok()) << size;
  for (const char* bad :
       {"null", "[]", "{}", R"({"uid":1,"type":0,"insID":"g"})",
        R"({"uid":1,"type":5,"insID":"g"})", R"({"uid":18446744073709551615,"type":1,"insID":"g"})",
        R"({"uid":1.5,"type":1,"insID":"g"})", R"({"uid":"1","type":1,"insID":"g"})",
        R"({"uid":1,"type":1,"insID":""})", R"({"uid":1,"type":2,"insID":"n"})",
        R"({"uid":1,"type":1,"insID":7})"}) {
    EXPECT_THAT(ParseLocationEvent(bad).status(),
                micro::StatusIs(absl::StatusCode::kInvalidArgument))
        << bad;
  }
  const std::string long_id(1 << 20, 'x');
  EXPECT_FALSE(ParseLocationEvent(R"({"uid":1,"type":1,"insID":")" + long_id + "\"}").ok());
}

}  // namespace
}  // namespace due
