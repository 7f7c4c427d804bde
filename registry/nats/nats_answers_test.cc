#include "registry/nats/nats_answers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/testing/status_matchers.h"

namespace micro::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Service Record(const std::string& version, const std::string& node, const std::string& address) {
  return {.name = "greeter", .version = version, .nodes = {{node, address, {}}}};
}

TEST(NatsAnswers, AreMergedByVersionAndSorted) {
  NatsAnswers answers("greeter");
  EXPECT_THAT(answers.Add(Record("2", "c", "10.0.0.1:3")), IsOk());
  EXPECT_THAT(answers.Add(Record("1", "b", "10.0.0.1:2")), IsOk());
  EXPECT_THAT(answers.Add(Record("1", "a", "10.0.0.1:1")), IsOk());
  EXPECT_THAT(answers.Add(Record("1", "b", "10.0.0.1:4")), IsOk());
  Service first = Record("1", "a", "10.0.0.1:1");
  first.nodes.push_back({"b", "10.0.0.1:4", {}});
  EXPECT_THAT(answers.Take(), ElementsAre(first, Record("2", "c", "10.0.0.1:3")));
}

TEST(NatsAnswers, OfAnotherServiceAreRefused) {
  NatsAnswers answers("other");
  EXPECT_THAT(answers.Add(Record("1", "a", "10.0.0.1:1")),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("\"greeter\"")));
  EXPECT_THAT(answers.Take(), IsEmpty());
}

TEST(NatsAnswers, WithoutNodesSayNothing) {
  NatsAnswers answers("");
  EXPECT_THAT(answers.Add({.name = "greeter"}), IsOk());
  EXPECT_THAT(answers.Take(), IsEmpty());
}

TEST(NatsAnswers, AreBoundedInNumber) {
  NatsAnswers answers("");
  for (size_t i = 0; i < NatsAnswers::kMaxNodes; ++i) {
    ASSERT_THAT(answers.Add(Record("1", std::to_string(i), "10.0.0.1:1")), IsOk());
  }
  EXPECT_THAT(answers.Add(Record("1", "one more", "10.0.0.1:1")),
              StatusIs(absl::StatusCode::kResourceExhausted));
  const auto found = answers.Take();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].nodes.size(), NatsAnswers::kMaxNodes);
}

TEST(NatsAnswers, AreBoundedInMemory) {
  NatsAnswers answers("");
  Service large = Record("1", "a", "10.0.0.1:1");
  large.metadata["x"] = std::string(1000000, 'x');
  int taken = 0;
  while (taken < 100 && answers.Add(large).ok()) ++taken;
  EXPECT_EQ(taken, 67);
}

}  // namespace
}  // namespace micro::registry
