#include "registry/nats/nats_records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace micro::registry {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

Service Record(const std::string& name, const std::string& version, const std::string& node) {
  return {.name = name, .version = version, .nodes = {{node, "10.0.0.1:1", {}}}};
}

TEST(NatsRecords, AnswerForEachVersionWithItsNodes) {
  NatsRecords records;
  records.Register(Record("greeter", "2", "c"), absl::InfiniteFuture());
  records.Register(Record("greeter", "1", "b"), absl::InfiniteFuture());
  records.Register(Record("greeter", "1", "a"), absl::InfiniteFuture());
  records.Register(Record("other", "1", "d"), absl::InfiniteFuture());
  Service first = Record("greeter", "1", "a");
  first.nodes.push_back({"b", "10.0.0.1:1", {}});
  EXPECT_THAT(records.Find("greeter"), ElementsAre(first, Record("greeter", "2", "c")));
  EXPECT_THAT(records.Find("other"), ElementsAre(Record("other", "1", "d")));
  EXPECT_EQ(records.Find("").size(), 3u);
  EXPECT_THAT(records.Find("gre"), IsEmpty());
}

TEST(NatsRecords, ARecordWithoutNodesIsGone) {
  NatsRecords records;
  records.Register(Record("greeter", "1", "a"), absl::InfiniteFuture());
  records.Deregister(Record("greeter", "1", "b"));
  records.Deregister(Record("greeter", "2", "a"));
  EXPECT_FALSE(records.empty());
  records.Deregister(Record("greeter", "1", "a"));
  EXPECT_TRUE(records.empty());
}

TEST(NatsRecords, ARegistrationCanBeTakenBackButNotAnother) {
  NatsRecords records;
  const uint64_t first = records.Register(Record("greeter", "1", "a"), absl::InfiniteFuture());
  Service both = Record("greeter", "1", "a");
  both.nodes.push_back({"b", "10.0.0.1:1", {}});
  const uint64_t second = records.Register(both, absl::InfiniteFuture());
  EXPECT_THAT(records.Withdraw(Record("greeter", "1", "a"), first).nodes, IsEmpty());
  EXPECT_EQ(records.Withdraw(both, second), Record("greeter", "1", "b"));
  EXPECT_THAT(records.Find("greeter"), ElementsAre(Record("greeter", "1", "a")));
  EXPECT_THAT(records.Withdraw(Record("other", "1", "a"), second).nodes, IsEmpty());
}

TEST(NatsRecords, NodesExpireUnlessTheyAreRefreshed) {
  NatsRecords records;
  records.Register(Record("greeter", "1", "a"), kStart + absl::Seconds(60));
  records.Register(Record("greeter", "1", "b"), kStart + absl::Seconds(60));
  records.Register(Record("greeter", "1", "b"), kStart + absl::Seconds(90));
  EXPECT_THAT(records.TakeExpired(kStart + absl::Seconds(59)), IsEmpty());
  EXPECT_THAT(records.TakeExpired(kStart + absl::Seconds(60)),
              ElementsAre(Record("greeter", "1", "a")));
  EXPECT_THAT(records.TakeExpired(kStart + absl::Seconds(60)), IsEmpty());
  EXPECT_THAT(records.Find("greeter"), ElementsAre(Record("greeter", "1", "b")));
  EXPECT_THAT(records.TakeExpired(kStart + absl::Seconds(90)),
              ElementsAre(Record("greeter", "1", "b")));
  EXPECT_TRUE(records.empty());
}

}  // namespace
}  // namespace micro::registry
