#include "registry/mdns/mdns_responder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/testing/status_matchers.h"

namespace micro::registry {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);
constexpr char kInstance[] = "greeter-1.greeter.micro.";

Service Greeter(const std::string& id = "greeter-1", const std::string& zone = "a") {
  return {
      .name = "greeter", .version = "1.0.0", .nodes = {{id, "10.0.0.1:8080", {{"zone", zone}}}}};
}

dns::Message Query(const std::string& name, uint16_t type = dns::kPtr,
                   uint16_t question_class = dns::kInternet) {
  return {.id = 77, .questions = {{name, type, question_class}}};
}

std::vector<dns::Message> Parsed(const std::vector<std::string>& packets) {
  std::vector<dns::Message> messages;
  for (const std::string& packet : packets) messages.push_back(dns::Parse(packet).value());
  return messages;
}

uint32_t TtlOf(const dns::Message& message) { return message.answers.at(0).ttl; }

// Lets `responder` do all that is due until it has nothing more to send; how many packets there
// were.
size_t Finish(MdnsResponder& responder, absl::Time now = kStart) {
  size_t packets = 0;
  const absl::Time end = now + absl::Minutes(1);
  for (; now <= end; now = responder.next_due()) packets += responder.TakeDue(now).size();
  return packets;
}

TEST(MdnsResponder, ProbesThreeTimesAndAnnouncesAtZeroOneAndThreeSeconds) {
  MdnsResponder responder("myhost.");
  ASSERT_THAT(responder.Register(Greeter(), absl::ZeroDuration(), kStart), IsOk());
  absl::Time now = kStart;
  for (int i = 0; i < 3; ++i) {
    ASSERT_LE(responder.next_due(), now + absl::Milliseconds(250));
    now = std::max(now, responder.next_due());
    const auto probes = Parsed(responder.TakeDue(now));
    ASSERT_EQ(probes.size(), 1u);
    EXPECT_FALSE(probes[0].is_response());
    EXPECT_TRUE(probes[0].questions[0] == (dns::Question{.name = kInstance}));
    ASSERT_EQ(probes[0].authorities.size(), 2u);
    EXPECT_TRUE(probes[0].authorities[0].data ==
                (decltype(dns::Record::data)(dns::Srv{0, 0, 8080, "myhost."})));
    EXPECT_TRUE(std::holds_alternative<dns::Txt>(probes[0].authorities[1].data));
  }
  now = responder.next_due();
  for (const int wait : {1, 2, 0}) {
    const auto announcements = Parsed(responder.TakeDue(now));
    ASSERT_EQ(announcements.size(), 1u);
    EXPECT_TRUE(announcements[0].is_response());
    EXPECT_THAT(announcements[0].questions, testing::IsEmpty());
    EXPECT_EQ(announcements[0].answers.size(), 3u);
    EXPECT_EQ(TtlOf(announcements[0]), 120u);
    if (wait > 0) {
      EXPECT_EQ(responder.next_due(), now + absl::Seconds(wait));
      now = responder.next_due();
    }
  }
  EXPECT_EQ(responder.next_due(), absl::InfiniteFuture());
}

TEST(MdnsResponder, AnswersServiceInstanceAndListing) {
  MdnsResponder responder("myhost.");
  ASSERT_THAT(responder.Register(Greeter("a"), absl::ZeroDuration(), kStart), IsOk());
  ASSERT_THAT(responder.Register(Greeter("b"), absl::ZeroDuration(), kStart), IsOk());
  const auto answers = Parsed(responder.Answer(Query("greeter.micro.")));
  ASSERT_EQ(answers.size(), 2u) << "one packet for each node: go-micro takes one from each";
  for (const dns::Message& answer : answers) {
    EXPECT_EQ(answer.id, 0);
    EXPECT_EQ(answer.flags, dns::kResponse | dns::kAuthoritative);
    EXPECT_TRUE(answer.questions == Query("greeter.micro.").questions);
    EXPECT_EQ(answer.answers.size(), 4u);
  }
  EXPECT_EQ(responder.Answer(Query("_services.micro.")).size(), 1u);
  EXPECT_EQ(Parsed(responder.Answer(Query("a.greeter.micro.", dns::kAny))).at(0).answers.size(),
            3u);
  EXPECT_EQ(Parsed(responder.Answer(Query("a.greeter.micro.", dns::kSrv))).at(0).answers.size(),
            2u);
  EXPECT_EQ(Parsed(responder.Answer(Query("a.greeter.micro.", dns::kTxt))).at(0).answers.size(),
            1u);
  EXPECT_EQ(Parsed(responder.Answer(Query("a.greeter.micro.", dns::kA))).at(0).answers.size(), 1u);
}

TEST(MdnsResponder, KeepsTheIdOfAQuestionForAUnicastAnswer) {
  MdnsResponder responder("myhost.");
  ASSERT_THAT(responder.Register(Greeter(), absl::ZeroDuration(), kStart), IsOk());
  const auto query = Query("greeter.micro.", dns::kPtr, dns::kInternet | dns::kUnicastBit);
  const auto answers = Parsed(responder.Answer(query));
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(answers[0].id, 77);
  EXPECT_TRUE(answers[0].questions == query.questions);
}

TEST(MdnsResponder, IsSilentOnWhatItIsNotAsked) {
  MdnsResponder responder("myhost.");
  ASSERT_THAT(responder.Register(Greeter(), absl::ZeroDuration(), kStart), IsOk());
  EXPECT_THAT(responder.Answer(Query("other.micro.")), testing::IsEmpty());
  EXPECT_THAT(responder.Answer(Query("greeter.micro.", dns::kTxt)), testing::IsEmpty());
  EXPECT_THAT(responder.Answer(Query(kInstance, dns::kPtr)), testing::IsEmpty()) << "its own probe";
  EXPECT_THAT(responder.Answer(Query(kInstance, dns::kAaaa)), testing::IsEmpty());
  EXPECT_THAT(responder.Answer(Query("greeter.micro.", dns::kPtr, 3)), testing::IsEmpty());
  dns::Message response = Query("greeter.micro.");
  response.flags = dns::kResponse;
  EXPECT_THAT(responder.Answer(response), testing::IsEmpty());
}

TEST(MdnsResponder, AnswersABoundedNumberOfDifferentQuestions) {
  MdnsResponder responder("myhost.");
  ASSERT_THAT(responder.Register(Greeter(), absl::ZeroDuration(), kStart), IsOk());
  dns::Message query = Query("greeter.micro.");
  query.questions.resize(1000, query.questions[0]);
  EXPECT_EQ(responder.Answer(query).size(), 1u);
}

TEST(MdnsResponder, WritesTheTtlAndTakesLeaveWhenItPasses) {
  MdnsResponder responder("myhost.");
  ASSERT_THAT(responder.Register(Greeter(), absl::Milliseconds(1500), kStart), IsOk());
  EXPECT_EQ(TtlOf(Parsed(responder.Answer(Query("greeter.micro."))).at(0)), 2u) << "rounded up";
  EXPECT_THAT(responder.TakeDue(kStart + absl::Milliseconds(1499)), testing::SizeIs(1));
  const auto leave = Parsed(responder.TakeDue(kStart + absl::Milliseconds(1500)));
  ASSERT_EQ(leave.size(), 1u);
  EXPECT_EQ(leave[0].answers.size(), 3u);
  EXPECT_EQ(TtlOf(leave[0]), 0u);
  EXPECT_THAT(responder.Answer(Query("greeter.micro.")), testing::IsEmpty());
  EXPECT_EQ(responder.next_due(), absl::InfiniteFuture());
}

TEST(MdnsResponder, ARefreshIsOneAnnouncementAndAChangeThree) {
  MdnsResponder responder("myhost.");
  ASSERT_THAT(responder.Register(Greeter(), absl::ZeroDuration(), kStart), IsOk());
  EXPECT_EQ(Finish(responder), 6u);
  ASSERT_THAT(responder.Register(Greeter(), absl::ZeroDuration(), kStart), IsOk());
  EXPECT_EQ(Finish(responder), 1u);
  ASSERT_THAT(responder.Register(Greeter("greeter-1", "b"), absl::ZeroDuration(), kStart), IsOk());
  EXPECT_EQ(Finish(responder), 3u);
  EXPECT_EQ(responder.Answer(Query("greeter.micro.")).size(), 1u);
}

TEST(MdnsResponder, ARefreshInTheMiddleOfAnnouncingDoesNotStartAnew) {
  MdnsResponder responder("myhost.");
  ASSERT_THAT(responder.Register(Greeter(), absl::Seconds(10), kStart), IsOk());
  EXPECT_EQ(responder.TakeDue(kStart).size(), 1u);
  ASSERT_THAT(responder.Register(Greeter(), absl::Seconds(100), kStart), IsOk());
  size_t packets = 0;
  for (absl::Time now = kStart; now < kStart + absl::Seconds(100); now = responder.next_due()) {
    packets += responder.TakeDue(now).size();
  }
  EXPECT_EQ(packets, 5u);
}

TEST(MdnsResponder, TakesLeaveOfWhatIsDeregistered) {
  MdnsResponder responder("myhost.");
  ASSERT_THAT(responder.Register(Greeter("a"), absl::ZeroDuration(), kStart), IsOk());
  ASSERT_THAT(responder.Register(Greeter("b"), absl::ZeroDuration(), kStart), IsOk());
  const auto leave = Parsed(responder.Deregister(Greeter("a")));
  ASSERT_EQ(leave.size(), 1u);
  EXPECT_EQ(leave[0].answers[0].name, "a.greeter.micro.");
  EXPECT_EQ(TtlOf(leave[0]), 0u);
  EXPECT_THAT(responder.Deregister(Greeter("a")), testing::IsEmpty());
  EXPECT_THAT(responder.DeregisterAll(), testing::SizeIs(1));
  EXPECT_THAT(responder.TakeDue(kStart), testing::IsEmpty());
}

TEST(MdnsResponder, RegistersAllNodesOrNone) {
  MdnsResponder responder("myhost.");
  Service service = Greeter();
  service.nodes.push_back({"bad", "localhost:1", {}});
  EXPECT_THAT(responder.Register(service, absl::ZeroDuration(), kStart),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       testing::HasSubstr("node \"bad\" of service \"greeter\"")));
  EXPECT_THAT(responder.DeregisterAll(), testing::IsEmpty());
}

}  // namespace
}  // namespace micro::registry
