// Publishing and subscribing through services, on the broker inside the process.
#include <gmock/gmock.h>

#include <atomic>

#include "core/async.h"
#include "core/mutex.h"
#include "tests/integration/greeter_services.h"

namespace micro {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

// What arrived, for a test to wait for.
class Inbox {
 public:
  void Put(std::string text) {
    MutexLock lock(mutex_);
    texts_.push_back(std::move(text));
    changed_.NotifyAll();
  }
  std::vector<std::string> Wait(size_t count) {
    MutexLock lock(mutex_);
    while (texts_.size() < count) {
      if (!changed_.WaitFor(mutex_, absl::Seconds(30))) break;
    }
    return texts_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::vector<std::string> texts_ ABSL_GUARDED_BY(mutex_);
};

Subscriber Into(Inbox& inbox, std::string prefix = "", SubscriberOptions options = {}) {
  return NewSubscriber<helloworld::HelloRequest>(
      "greetings",
      [&inbox, prefix](const Context& ctx,
                       const helloworld::HelloRequest& request) -> Task<absl::Status> {
        inbox.Put(prefix + request.name() + std::string(ctx.metadata().Get("who").value_or("")));
        co_return absl::OkStatus();
      },
      options);
}

class Publish : public ::testing::Test {
 protected:
  ServiceOptions Options() {
    ServiceOptions options = GreeterOptions(registry_);
    options.broker_options.addresses = registry_.addresses;
    return options;
  }

  std::unique_ptr<Service> Start(ServiceOptions options, std::vector<Subscriber> subscribers) {
    auto service = NewService(std::move(options));
    for (Subscriber& subscriber : subscribers) service->server()->Subscribe(std::move(subscriber));
    EXPECT_THAT(BlockOn(service->Start(Context())), IsOk());
    return service;
  }

  const registry::Options registry_ = OwnRegistry();
  Inbox inbox_;
};

TEST_F(Publish, ReachesEverySubscriberWithItsMetadata) {
  auto service = Start(Options(), {Into(inbox_, "a:"), Into(inbox_, "b:")});
  const Context ctx = WithMetadata(Context(), "Who", "!");
  EXPECT_THAT(BlockOn(service->client()->Publish(ctx, "greetings", Named("Ann"), {})), IsOk());
  EXPECT_THAT(BlockOn(service->client()->Publish(ctx, "others", Named("Bob"), {})), IsOk());
  EXPECT_THAT(inbox_.Wait(2), ElementsAre("a:Ann!", "b:Ann!"));
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
}

TEST_F(Publish, GivesEachMessageToOneOfAQueue) {
  auto one = Start(Options(), {Into(inbox_, "1:", {.queue = "q"})});
  auto two = Start(Options(), {Into(inbox_, "2:", {.queue = "q"})});
  for (const char* name : {"a", "b", "c", "d"}) {
    EXPECT_THAT(BlockOn(one->client()->Publish(Context(), "greetings", Named(name),
                                               {.content_type = "application/json"})),
                IsOk());
  }
  const std::vector<std::string> arrived = inbox_.Wait(4);
  ASSERT_EQ(arrived.size(), 4u);
  std::vector<std::string> names;
  for (const std::string& text : arrived) names.push_back(text.substr(2));
  EXPECT_THAT(names, UnorderedElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(BlockOn(one->Stop(Context())), IsOk());
  EXPECT_THAT(BlockOn(two->Stop(Context())), IsOk());
}

TEST_F(Publish, RunsSubscriberWrappersOutermostFirstAndSurvivesAThrow) {
  const auto wrapper = [&](std::string name) -> SubscriberWrapper {
    return [&inbox = inbox_, name](SubscriberFunc next) -> SubscriberFunc {
      return [&inbox, name, next = std::move(next)](
                 const Context& ctx, const Publication& publication) -> Task<absl::Status> {
        inbox.Put(name + " " + std::string(publication.topic));
        co_return co_await next(ctx, publication);
      };
    };
  };
  ServiceOptions options = Options();
  options.subscriber_wrappers = {wrapper("outer"), wrapper("inner")};
  auto service = Start(
      std::move(options),
      {NewSubscriber<helloworld::HelloRequest>(
          "greetings", [](const Context&, const helloworld::HelloRequest&) -> Task<absl::Status> {
            throw std::runtime_error("no mood");
            co_return absl::OkStatus();
          })});
  EXPECT_THAT(BlockOn(service->client()->Publish(Context(), "greetings", Named("x"), {})), IsOk());
  EXPECT_THAT(BlockOn(service->client()->Publish(Context(), "greetings", Named("x"), {})), IsOk());
  EXPECT_THAT(inbox_.Wait(4), ElementsAre("outer greetings", "inner greetings", "outer greetings",
                                          "inner greetings"));
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
}

TEST_F(Publish, AdvertisesSubscribers) {
  auto service = Start(Options(), {Into(inbox_)});
  const registry::Service record = service->server()->record();
  ASSERT_EQ(record.endpoints.size(), 1u);
  EXPECT_EQ(record.endpoints[0].name, "Func");
  EXPECT_EQ(record.endpoints[0].metadata.at("topic"), "greetings");
  EXPECT_EQ(record.endpoints[0].metadata.at("subscriber"), "true");
  EXPECT_EQ(record.nodes[0].metadata.at("broker"), "memory");
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
}

TEST_F(Publish, AfterStopNothingArrives) {
  auto service = Start(Options(), {Into(inbox_)});
  auto other = Start(Options(), {});
  EXPECT_THAT(BlockOn(other->client()->Publish(Context(), "greetings", Named("before"), {})),
              IsOk());
  EXPECT_THAT(inbox_.Wait(1), ElementsAre("before"));
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
  EXPECT_THAT(BlockOn(other->client()->Publish(Context(), "greetings", Named("after"), {})),
              IsOk());
  EXPECT_THAT(BlockOn(other->Stop(Context())), IsOk());
  EXPECT_THAT(inbox_.Wait(1), ElementsAre("before"));
}

TEST_F(Publish, RefusesAContentTypeWithoutACodec) {
  auto service = Start(Options(), {});
  EXPECT_THAT(BlockOn(service->client()->Publish(Context(), "greetings", Named("x"),
                                                 {.content_type = "text/zonk"})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("unsupported Content-Type: text/zonk")));
  EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
}

}  // namespace
}  // namespace micro
