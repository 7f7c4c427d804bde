#include "due/instances/instance_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/plugin_table.h"
#include "due/instances/instance_test_words.h"

namespace due {
namespace {

using micro::IsOk;

TEST(InstanceRegistry, FindsInstancesThroughARegistryThatKnowsNothingOfThem) {
  const micro::registry::Options options = {.addresses = {"lives"}};
  const auto here = InstanceRegistry::New("memory", options).value();
  const auto there = InstanceRegistry::New("memory", options).value();
  ExpectLivesOfInstances(*here, *there, 40000);
}

TEST(InstanceRegistry, RefreshesWhatIsRegistered) {
  const micro::registry::Options options = {.addresses = {"refreshed"}};
  const auto registry =
      micro::PluginTable<micro::registry::Registry>::Create("memory", options).value();
  auto here = InstanceRegistry::New("memory", options).value();
  const Instance node = NodeAt("a", 40000);
  ASSERT_THAT(BlockOn(here->Register({}, node)), IsOk());
  // Its record is lost; the next refresh puts it back.
  ASSERT_THAT(BlockOn(registry->Deregister({}, ToService(node).value())), IsOk());
  const auto is_there = [&] { return BlockOn(registry->GetService({}, "node")).ok(); };
  EXPECT_FALSE(is_there());
  EXPECT_TRUE(micro::Eventually(is_there));
  // One that is gone is refreshed no more.
  here.reset();
  EXPECT_TRUE(micro::Eventually([&] { return !is_there(); }));
}

TEST(InstanceRegistry, LeavesOutWhatCannotBeRead) {
  const micro::registry::Options options = {.addresses = {"unreadable"}};
  const auto registry =
      micro::PluginTable<micro::registry::Registry>::Create("memory", options).value();
  const auto here = InstanceRegistry::New("memory", options).value();
  const micro::registry::Service stranger = {.name = "node",
                                             .nodes = {{.id = "x", .address = "127.0.0.1:1"}}};
  ASSERT_THAT(BlockOn(registry->Register({}, stranger, {})), IsOk());
  const auto watcher = BlockOn(here->Watch({}, "node")).value();
  EXPECT_THAT(Next(*watcher), testing::IsEmpty());
  const Instance node = NodeAt("a", 40000);
  ASSERT_THAT(BlockOn(here->Register({}, node)), IsOk());
  ExpectNext(*watcher, {node});
  EXPECT_EQ(BlockOn(here->Instances({}, "node")).value(), std::vector<Instance>{node});
}

TEST(InstanceRegistry, NamesTheRegistriesThatThereAre) {
  EXPECT_THAT(InstanceRegistry::New("zonk", {}).status(),
              micro::StatusIs(absl::StatusCode::kInvalidArgument, testing::HasSubstr("memory")));
  const auto here = InstanceRegistry::New("memory", {.addresses = {"bad"}}).value();
  EXPECT_THAT(BlockOn(here->Register({}, {.id = "a", .kind = "node", .endpoint = "x"})),
              micro::StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace due
