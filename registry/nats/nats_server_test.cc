// The NATS registry when its server is not there, goes, comes back, or hangs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <thread>

#include "core/nats/testing/raw_nats.h"
#include "core/testing/eventually.h"
#include "registry/testing/blocking.h"
#include "tests/services/service_process.h"

namespace micro::registry {
namespace {

using nats::RawNats;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Registry> OpenNats(std::vector<std::string> addresses) {
  return Open("nats", {.addresses = std::move(addresses)});
}

std::unique_ptr<services::ServiceProcess> StartServer() { return services::StartNats().value(); }

// The status of each thing that a registry is asked for.
std::vector<absl::Status> AskForAll(Registry& registry, const Context& ctx = {}) {
  return {BlockOn(registry.Register(ctx, Record("asked"), {})),
          BlockOn(registry.GetService(ctx, "asked")).status(),
          BlockOn(registry.ListServices(ctx)).status(), BlockOn(registry.Watch(ctx, {})).status(),
          BlockOn(registry.Deregister(ctx, Record("asked")))};
}

TEST(NatsServer, ThatIsDownAtTheStartIsNamedAndFoundLater) {
  const auto server = StartServer();
  server->Kill();
  const auto registry = OpenNats({server->address()});
  for (const absl::Status& status : AskForAll(*registry)) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                                 AllOf(HasSubstr(server->address()),
                                       HasSubstr("(flag --registry_address)"))));
  }
  ASSERT_THAT(server->Start(), IsOk());
  EXPECT_TRUE(Eventually([&] { return Register(*registry, Record("greeter")).ok(); }));
  EXPECT_THAT(GetUntil(*registry, "greeter", true), IsOk());
}

TEST(NatsServer, IsTheEnvironmentsWhenNoneIsGiven) {
  const auto server = StartServer();
  setenv("MICRO_NATS_ADDRESS", server->address().c_str(), 1);
  const auto registry = OpenNats({});
  EXPECT_THAT(Register(*registry, Record("greeter")), IsOk());
  server->Kill();
  EXPECT_TRUE(Eventually([&] {
    return Get(*registry, "greeter").status().message().find("MICRO_NATS_ADDRESS") !=
           std::string::npos;
  }));
  unsetenv("MICRO_NATS_ADDRESS");
}

TEST(NatsServer, ThatComesBackIsToldOfAllRecordsAtOnceAndWatchersGoOn) {
  const auto server = StartServer();
  const auto owner = OpenNats({server->address()}), watching = OpenNats({server->address()});
  ASSERT_THAT(Register(*owner, Record("greeter")), IsOk());
  ASSERT_THAT(Register(*owner, Record("other")), IsOk());
  const auto watcher = Watch(*watching, "greeter");
  for (int round = 0; round < 2; ++round) {
    server->Kill();
    EXPECT_TRUE(Eventually([&] {
      return absl::IsUnavailable(Get(*owner, "greeter").status()) &&
             absl::IsUnavailable(Get(*watching, "greeter").status());
    }));
    ASSERT_THAT(server->Start(), IsOk());
    EXPECT_TRUE(Eventually([&] { return BlockOn(watching->ListServices(Context())).ok(); }));
    EXPECT_THAT(GetUntil(*watching, "greeter", true), IsOkAndHolds(ElementsAre(Record("greeter"))));
    EXPECT_THAT(GetUntil(*watching, "other", true), IsOkAndHolds(ElementsAre(Record("other"))));
  }
  ASSERT_THAT(Deregister(*owner, Record("greeter")), IsOk());
  absl::StatusOr<Event> event = Next(*watcher);  // creates, if it was there before the owner
  while (event.ok() && event->action == Action::kCreate) event = Next(*watcher);
  EXPECT_THAT(event, Does(Action::kDelete));
}

TEST(NatsServer, ThatComesBackHearsOfTheRecordsWithoutBeingAsked) {
  const auto server = StartServer();
  const auto owner = OpenNats({server->address()});
  ASSERT_THAT(Register(*owner, Record("greeter")), IsOk());
  // Another who watches, and who comes before the owner, which tries again after 0.1 s or more.
  for (int attempt = 0; attempt < 20; ++attempt) {
    server->Kill();
    EXPECT_TRUE(Eventually([&] { return absl::IsUnavailable(Get(*owner, "x").status()); }));
    ASSERT_THAT(server->Start(), IsOk());
    RawNats raw(server->port());
    raw.Subscribe("micro.nats.>");
    raw.Publish("micro.nats.query", R"({"Service":null,"Action":"list"})", "micro.nats.answer");
    const auto first = raw.Next(), second = raw.Next();
    ASSERT_TRUE(first && second);
    EXPECT_EQ(first->subject, "micro.nats.query");
    if (second->subject == "micro.nats.answer") continue;  // the owner was here already
    EXPECT_EQ(second->subject, "micro.nats.watch");
    EXPECT_THAT(second->payload, AllOf(HasSubstr("greeter-1"), HasSubstr("\"create\"")));
    return;
  }
  FAIL() << "the owner was always connected first";
}

TEST(NatsServer, IsToldLaterOfWhatWasRefreshedWhileItWasDownAndNotOfWhatWasNew) {
  const auto server = StartServer();
  const auto registry = OpenNats({server->address()}), other = OpenNats({server->address()});
  const absl::Duration ttl = absl::Seconds(2);
  ASSERT_THAT(Register(*registry, Record("refreshed"), ttl), IsOk());
  ASSERT_THAT(Register(*registry, Record("expires"), absl::Milliseconds(500)), IsOk());
  ASSERT_THAT(Register(*registry, Record("goes")), IsOk());
  server->Kill();
  EXPECT_TRUE(Eventually([&] { return absl::IsUnavailable(Get(*registry, "x").status()); }));
  const auto unavailable = StatusIs(absl::StatusCode::kUnavailable);
  EXPECT_THAT(Register(*registry, Record("refreshed")), unavailable);
  EXPECT_THAT(Register(*registry, Record("new")), unavailable);
  EXPECT_THAT(Deregister(*registry, Record("goes")), unavailable);
  std::this_thread::sleep_for(absl::ToChronoMilliseconds(ttl));  // TTLs pass
  ASSERT_THAT(server->Start(), IsOk());
  EXPECT_THAT(GetUntil(*other, "refreshed", true), IsOk());
  for (const char* name : {"new", "goes", "expires"}) {
    EXPECT_TRUE(Eventually([&] { return absl::IsNotFound(Get(*other, name).status()); })) << name;
  }
}

TEST(NatsServer, ThatDiesIsReplacedByAnother) {
  const auto one = StartServer(), two = StartServer();
  const auto registry = OpenNats({one->address(), "nats://" + two->address()});
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  const auto watcher = Watch(*registry, "new");
  one->Kill();
  EXPECT_THAT(GetUntil(*OpenNats({two->address()}), "greeter", true), IsOk());
  ASSERT_THAT(one->Start(), IsOk());
  two->Kill();
  EXPECT_THAT(GetUntil(*OpenNats({one->address()}), "greeter", true), IsOk());
  ASSERT_THAT(Register(*OpenNats({one->address()}), Record("new")), IsOk());
  EXPECT_THAT(Next(*watcher), Does(Action::kCreate));
}

TEST(NatsServer, ThatHangsHoldsNobodyUp) {
  const auto server = StartServer();
  auto registry = OpenNats({server->address()});
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  const auto watcher = Watch(*registry);
  server->Pause();
  for (const absl::Status& status :
       AskForAll(*registry, WithTimeout(Context(), absl::Milliseconds(10)))) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
  for (const absl::Status& status : AskForAll(*registry)) {
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  }
  server->Resume();
  EXPECT_THAT(GetUntil(*registry, "greeter", true), IsOk());
  server->Pause();
  registry.reset();  // and so does its end
  server->Resume();
}

}  // namespace
}  // namespace micro::registry
