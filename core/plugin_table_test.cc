#include "core/plugin_table.h"

#include <memory>
#include <string>
#include <vector>

#include "core/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace micro {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// An interface of its own for each test that changes the table: tables live as long as the process.
template <int>
struct Animal {
  static constexpr std::string_view kPluginKind = "animal";
  struct PluginOptions {
    std::string name;
  };
  std::string call;
};

template <int kind>
auto Maker(std::string sound) {
  return [sound](const typename Animal<kind>::PluginOptions& options) {
    return std::make_unique<Animal<kind>>(Animal<kind>{options.name + " says " + sound});
  };
}

using Registered = Animal<0>;
MICRO_PLUGIN(Registered, "dog", Maker<0>("woof"));
MICRO_PLUGIN(Registered, "cat", Maker<0>("meow"));
MICRO_PLUGIN(Registered, "fish",
             [](const Registered::PluginOptions&) -> PluginTable<Registered>::Created {
               const std::pair<int, int> sounds = {0,
                                                   0};  // a factory with commas outside parentheses
               return absl::UnimplementedError(std::to_string(sounds.first) + " sounds");
             });

TEST(PluginTable, ListsTheLinkedNamesSorted) {
  EXPECT_THAT(PluginTable<Registered>::Names(), ElementsAre("cat", "dog", "fish"));
}

TEST(PluginTable, MakesAPluginByItsName) {
  const auto animal = PluginTable<Registered>::Create("dog", {.name = "Rex"});
  ASSERT_THAT(animal, IsOk());
  EXPECT_EQ((*animal)->call, "Rex says woof");
}

TEST(PluginTable, PassesOnTheErrorOfAFactory) {
  EXPECT_THAT(PluginTable<Registered>::Create("fish", {}),
              StatusIs(StatusCode::kUnimplemented, "0 sounds"));
}

TEST(PluginTable, AnswersAnUnknownNameWithTheLinkedOnes) {
  EXPECT_THAT(PluginTable<Registered>::Create("zonk", {}),
              StatusIs(StatusCode::kInvalidArgument,
                       "animal \"zonk\" is not linked; linked: cat, dog, fish (flag --animal)"));
  EXPECT_THAT(PluginTable<Registered>::Create("", {}), StatusIs(StatusCode::kInvalidArgument));
}

TEST(PluginTable, SaysThatNothingIsLinked) {
  EXPECT_THAT(PluginTable<Animal<1>>::Names(), IsEmpty());
  EXPECT_THAT(PluginTable<Animal<1>>::Create("dog", {}),
              StatusIs(StatusCode::kInvalidArgument,
                       "animal \"dog\" is not linked; linked: none (flag --animal)"));
}

TEST(PluginTable, RefusesASecondOfANameAndNamesBothPlaces) {
  using Table = PluginTable<Animal<2>>;
  EXPECT_THAT(Table::Add("dog", "first.cc:1", Maker<2>("woof")), IsOk());
  EXPECT_THAT(Table::Add("dog", "second.cc:2", Maker<2>("bark")),
              StatusIs(StatusCode::kAlreadyExists,
                       "animal \"dog\" is registered twice: at first.cc:1 and at second.cc:2"));
  const auto animal = Table::Create("dog", {.name = "Rex"});
  ASSERT_THAT(animal, IsOk());
  EXPECT_EQ((*animal)->call, "Rex says woof") << "the first one stays";
}

TEST(PluginTable, TakesNothingMoreOnceItIsFrozen) {
  using Table = PluginTable<Animal<3>>;
  EXPECT_THAT(Table::Add("dog", "first.cc:1", Maker<3>("woof")), IsOk());
  Table::Freeze();
  EXPECT_THAT(Table::Add("cat", "late.cc:2", Maker<3>("meow")),
              StatusIs(StatusCode::kFailedPrecondition,
                       AllOf(HasSubstr("animal \"cat\""), HasSubstr("late.cc:2"))));
  EXPECT_THAT(Table::Names(), ElementsAre("dog"));
  EXPECT_THAT(Table::Create("dog", {}), IsOk());
}

TEST(PluginTableDeathTest, ASecondRegistrationBeforeMainEndsTheProcessNamingBothPlaces) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      internal::AddedOrDie(PluginTable<Registered>::Add("dog", "second.cc:2", Maker<0>("bark"))),
      "micro-cpp: animal \"dog\" is registered twice: at .*plugin_table_test.cc:[0-9]+ and at "
      "second.cc:2");
}

TEST(ScopedPlugin, StandsInForThePluginOfItsNameUntilItsScopeEnds) {
  const auto call = [] { return (*PluginTable<Registered>::Create("dog", {.name = "Rex"}))->call; };
  {
    const ScopedPlugin<Registered> outer("dog", Maker<0>("grr"));
    EXPECT_EQ(call(), "Rex says grr");
    {
      const ScopedPlugin<Registered> inner("dog", Maker<0>("yip"));
      EXPECT_EQ(call(), "Rex says yip");
    }
    EXPECT_EQ(call(), "Rex says grr");
  }
  EXPECT_EQ(call(), "Rex says woof");
}

TEST(ScopedPlugin, AddsANameUntilItsScopeEnds) {
  {
    const ScopedPlugin<Registered> bird("bird", Maker<0>("tweet"));
    EXPECT_THAT(PluginTable<Registered>::Names(), ElementsAre("bird", "cat", "dog", "fish"));
  }
  EXPECT_THAT(PluginTable<Registered>::Names(), ElementsAre("cat", "dog", "fish"));
}

TEST(ScopedPlugin, WorksOnAFrozenTable) {
  using Table = PluginTable<Animal<4>>;
  Table::Freeze();
  const ScopedPlugin<Animal<4>> bird("bird", Maker<4>("tweet"));
  EXPECT_THAT(Table::Create("bird", {}), IsOk());
}

}  // namespace
}  // namespace micro
