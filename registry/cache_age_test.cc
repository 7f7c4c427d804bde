// What a cache says of the age of what it knows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/async.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"
#include "registry/cache.h"
#include "registry/testing/scripted_registry.h"

namespace micro::registry {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

size_t Count(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

class CacheAge : public ::testing::Test {
 protected:
  // A cache that knows one node.
  void Know(CacheOptions options) {
    static std::atomic<int> last = 0;
    registry_ = *ScriptedRegistryFactory(script_)(
        {.addresses = {"cache-age-test-" + std::to_string(++last)}});
    EXPECT_THAT(BlockOn(registry_->Register(
                    Context(), {.name = "greeter", .nodes = {{.id = "a", .address = "a:80"}}}, {})),
                IsOk());
    cache_.emplace(registry_, options);
    EXPECT_THAT(BlockOn(cache_->Get(Context(), "greeter")), IsOk());
  }
  int Failed() {
    const std::optional<Outage> outage = cache_->OutageOf("greeter");
    return outage.has_value() ? outage->lookups : 0;
  }

  RegistryScript script_;
  std::shared_ptr<Registry> registry_;
  std::optional<Cache> cache_;
};

TEST_F(CacheAge, SaysOnceThatNodesGetOldAndOnceThatTheyAreConfirmed) {
  ::testing::internal::CaptureStderr();
  Know({.ttl = absl::Milliseconds(5), .old_after = absl::Milliseconds(50)});
  for (int outage = 0; outage < 2; ++outage) {
    script_.down = true;
    // Long enough for it to be old, and to be asked for on.
    EXPECT_TRUE(Eventually([&] {
      const auto since = cache_->OutageOf("greeter");
      return since.has_value() && since->lookups > 10 &&
             Clock::Real().Now() - since->since > absl::Milliseconds(100);
    }));
    script_.down = false;
    EXPECT_TRUE(Eventually([&] { return Failed() == 0; }));
  }
  cache_->Stop();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Count(log, "WARN going on with old nodes of a service service=greeter nodes=1"), 2u)
      << log;
  EXPECT_EQ(Count(log, "INFO the registry has confirmed a service's nodes again service=greeter"),
            2u)
      << log;
  EXPECT_THAT(log, HasSubstr("registry scripted cannot be asked ("));
}

TEST_F(CacheAge, SaysNothingOfAnOutageThatEndsBeforeNodesAreOld) {
  ::testing::internal::CaptureStderr();
  Know({.ttl = absl::Milliseconds(5), .old_after = absl::Hours(1)});
  script_.down = true;
  EXPECT_TRUE(Eventually([&] { return Failed() > 3; }));
  script_.down = false;
  EXPECT_TRUE(Eventually([&] { return Failed() == 0; }));
  cache_->Stop();
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(Count(log, "old nodes"), 0u) << log;
  EXPECT_EQ(Count(log, "confirmed"), 0u) << log;
}

TEST_F(CacheAge, KnowsSinceWhenAndHowOftenTheRegistryWasAskedInVain) {
  Know({.ttl = absl::Milliseconds(5)});
  EXPECT_FALSE(cache_->OutageOf("greeter").has_value());
  EXPECT_FALSE(cache_->OutageOf("nobody").has_value());
  const absl::Time before = Clock::Real().Now();
  script_.down = true;
  EXPECT_TRUE(Eventually([&] { return Failed() >= 3; }));
  const Outage outage = *cache_->OutageOf("greeter");
  EXPECT_GE(outage.since, before);
  EXPECT_THAT(outage.cause, StatusIs(absl::StatusCode::kUnavailable, "the registry is down"));
  EXPECT_THAT(ToText(outage, "scripted", outage.since + absl::Seconds(12)),
              StartsWith("registry scripted cannot be asked (" + std::to_string(outage.lookups) +
                         " lookups failed in 12s): the registry is down"));
}

TEST_F(CacheAge, ConfirmAsksTheRegistryAtOnce) {
  Know({.ttl = absl::Hours(1), .confirm_after = absl::ZeroDuration()});
  const int before = script_.lookups;
  cache_->Confirm("nobody");
  cache_->Confirm("greeter");
  EXPECT_TRUE(Eventually([&] { return script_.lookups == before + 1; }));
}

TEST_F(CacheAge, ConfirmLeavesARegistryAloneThatHasJustBeenAsked) {
  Know({.ttl = absl::Hours(1), .confirm_after = absl::Hours(1)});
  const int before = script_.lookups;
  cache_->Confirm("greeter");
  cache_->Stop();
  cache_->Confirm("greeter");
  EXPECT_EQ(script_.lookups, before);
}

}  // namespace
}  // namespace micro::registry
