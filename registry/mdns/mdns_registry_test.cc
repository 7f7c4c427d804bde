// What the mDNS registry does on the wire and with strangers; what every registry does is in
// mdns_conformance_test.cc. The test has a network of its own, with lo alone.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <cctype>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "registry/mdns/mdns_link.h"
#include "registry/mdns/mdns_record.h"
#include "registry/testing/blocking.h"

namespace micro::registry {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

std::unique_ptr<Registry> OpenMdns(const std::string& interface = "lo") {
  return Open("mdns", {.addresses = {interface}});
}

// Some other program that speaks mDNS on lo.
class Stranger {
 public:
  Stranger() : link_(MdnsLink::Open(FindInterfaces({"lo"}).at(0)).value()) {}

  const MdnsLink& link() const { return *link_; }

  void Multicast(const dns::Message& message) { link_->Multicast(dns::Pack(message).value()); }

  // The next packet at a socket that `accept` likes, and who sent it.
  std::optional<std::pair<dns::Message, sockaddr_in>> Receive(
      int socket, const std::function<bool(const dns::Message&)>& accept) {
    const absl::Time end = Clock::Real().Now() + kPatience;
    std::optional<std::pair<dns::Message, sockaddr_in>> found;
    while (!found && Clock::Real().Now() < end) {
      pollfd polled = {socket, POLLIN, 0};
      poll(&polled, 1, 100);
      ReceiveFrom(socket, [&](std::string_view packet, const sockaddr_in& from) {
        const auto message = dns::Parse(packet);
        if (!found && message.ok() && accept(*message)) found = {*message, from};
      });
    }
    return found;
  }

 private:
  const std::shared_ptr<MdnsLink> link_;
};

// What announces `service`, whose one node it is, or answers a lookup of it.
dns::Message Announcement(const Service& service, uint32_t ttl) {
  const Instance instance{InstanceName(service.nodes[0].id, service.name), ttl, service};
  return {.flags = dns::kResponse | dns::kAuthoritative,
          .answers = InstanceRecords(instance, "stranger.").value()};
}
dns::Message Answer(const Service& service) {
  const Instance instance{InstanceName(service.nodes[0].id, service.name), 120, service};
  return {.flags = dns::kResponse | dns::kAuthoritative,
          .questions = {{.name = ServiceName(service.name)}},
          .answers = ServiceRecords(instance, InstanceRecords(instance, "stranger.").value())};
}

bool Asks(const dns::Message& message, const std::string& name) {
  return !message.is_response() && message.authorities.empty() && !message.questions.empty() &&
         message.questions[0].name == name;
}

TEST(MdnsRegistry, AnswersTheAskerAlone) {
  const auto registry = OpenMdns();
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  Stranger stranger;
  const dns::Message query{.id = 99,
                           .questions = {{.name = "greeter.micro.", .question_class = 0x8001}}};
  stranger.link().Ask(dns::Pack(query).value());
  const auto answer =
      stranger.Receive(stranger.link().question_socket(), [](const auto&) { return true; });
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(answer->first.id, 99);
  EXPECT_TRUE(answer->first.questions == query.questions);
  EXPECT_THAT(answer->first.answers, SizeIs(4));
  EXPECT_EQ(ntohs(answer->second.sin_port), 5353);
}

TEST(MdnsRegistry, ProbesAnnouncesAndTakesLeaveWhenItIsDestroyed) {
  Stranger stranger;
  auto registry = OpenMdns();
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  const int group = stranger.link().group_socket();
  EXPECT_TRUE(stranger.Receive(
      group, [](const auto& m) { return !m.is_response() && m.authorities.size() == 2; }));
  EXPECT_TRUE(stranger.Receive(
      group, [](const auto& m) { return m.is_response() && m.answers.at(0).ttl == 120; }));
  registry.reset();
  EXPECT_TRUE(stranger.Receive(
      group, [](const auto& m) { return m.is_response() && m.answers.at(0).ttl == 0; }));
}

TEST(MdnsRegistry, DropsDoublesOfAnAnswer) {
  const auto registry = OpenMdns();
  Stranger stranger;
  std::thread answerer([&] {
    const auto query = stranger.Receive(stranger.link().group_socket(),
                                        [](const auto& m) { return Asks(m, "greeter.micro."); });
    ASSERT_TRUE(query);
    const std::string answer = dns::Pack(Answer(Record("greeter"))).value();
    for (int i = 0; i < 3; ++i) stranger.link().Reply(answer, query->second);
  });
  const auto found = GetUntil(*registry, "greeter", true);
  answerer.join();
  ASSERT_THAT(found, IsOk());
  EXPECT_EQ(*found, std::vector<Service>{Record("greeter")});
}

TEST(MdnsRegistry, AsksForThePartsThatAnAnswerLacks) {
  const auto registry = Open("mdns", {.addresses = {"lo"}, .timeout = absl::Seconds(1)});
  Stranger stranger;
  std::thread answerer([&] {
    const int group = stranger.link().group_socket();
    const auto query =
        stranger.Receive(group, [](const auto& m) { return Asks(m, "greeter.micro."); });
    ASSERT_TRUE(query);
    dns::Message pointer = Answer(Record("greeter"));
    pointer.answers.resize(1);
    stranger.link().Reply(dns::Pack(pointer).value(), query->second);
    const auto question =
        stranger.Receive(group, [](const auto& m) { return Asks(m, "greeter-1.greeter.micro."); });
    ASSERT_TRUE(question);
    stranger.link().Reply(dns::Pack(Announcement(Record("greeter"), 120)).value(),
                          question->second);
  });
  const auto found = GetUntil(*registry, "greeter", true);
  answerer.join();
  EXPECT_THAT(found, IsOkAndHolds(SizeIs(1)));
}

TEST(MdnsRegistry, ANodeThatFallsSilentIsGoneWhenItsTtlHasPassed) {
  const auto registry = OpenMdns();
  const auto watcher = Watch(*registry);
  Stranger stranger;
  stranger.Multicast(Announcement(Record("greeter"), 1));
  stranger.Multicast(Announcement(Record("greeter"), 1));
  EXPECT_THAT(Next(*watcher), Does(Action::kCreate));
  const int group = stranger.link().group_socket();
  EXPECT_TRUE(
      stranger.Receive(group, [](const auto& m) { return Asks(m, "greeter-1.greeter.micro."); }));
  const auto gone = Next(*watcher);
  ASSERT_THAT(gone, IsOk());
  EXPECT_EQ(gone->action, Action::kDelete);
  EXPECT_EQ(gone->service, Record("greeter"));
}

TEST(MdnsRegistry, ANodeThatDoesNotRefreshButAnswersStays) {
  const auto registry = OpenMdns();
  const auto watcher = Watch(*registry);
  Stranger stranger;  // as go-micro: it announces once and for all
  stranger.Multicast(Announcement(Record("greeter"), 1));
  EXPECT_THAT(Next(*watcher), Does(Action::kCreate));
  for (int i = 0; i < 3; ++i) {
    const auto question = stranger.Receive(stranger.link().group_socket(), [](const auto& m) {
      return Asks(m, "greeter-1.greeter.micro.");
    });
    ASSERT_TRUE(question);
    stranger.link().Reply(dns::Pack(Announcement(Record("greeter"), 1)).value(), question->second);
  }
  stranger.Multicast(Announcement(Record("greeter"), 0));
  EXPECT_THAT(Next(*watcher), Does(Action::kDelete));
}

TEST(MdnsRegistry, SurvivesWhatStrangersSend) {
  const auto registry = OpenMdns();
  const auto watcher = Watch(*registry);
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  Stranger stranger;
  std::vector<std::string> seeds = {dns::Pack(Announcement(Record("greeter"), 1)).value(),
                                    dns::Pack(Answer(Record("greeter"))).value(),
                                    dns::Pack({.questions = {{.name = "greeter.micro."}}}).value(),
                                    std::string(8900, '\xc0'),
                                    std::string(12, '\xff'),
                                    ""};
  std::mt19937 random(1);  // NOLINT: the same in every run
  for (int i = 0; i < 3000; ++i) {
    std::string packet = seeds[random() % seeds.size()];
    for (int changes = random() % 8; changes > 0 && !packet.empty(); --changes) {
      packet[random() % packet.size()] = static_cast<char>(random());
    }
    stranger.link().Multicast(packet);
    if (i % 50 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_THAT(GetUntil(*OpenMdns(), "greeter", true), IsOk());
}

TEST(MdnsRegistry, RefusesWhatMdnsCannotCarryAndNamesTheLimit) {
  const auto registry = OpenMdns();
  const auto refused = [&](const Service& service, const std::string& why) {
    EXPECT_THAT(Register(*registry, service),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)));
  };
  refused(Record(std::string(62, 'a')), "at most 63");  // the id is longer by two
  refused(Record("a..b"), "empty label");
  Service host_name = Record("greeter");
  host_name.nodes[0].address = "example.com:80";
  refused(host_name, "no host names");
  Service large = Record("greeter");
  std::mt19937 random(1);  // NOLINT: the same in every run
  for (int i = 0; i < 400; ++i)
    large.nodes[0].metadata[std::to_string(random())] = std::to_string(random());
  refused(large, "at most 8972");
  EXPECT_THAT(Get(*registry, std::string(64, 'a')), StatusIs(absl::StatusCode::kNotFound));
}

TEST(MdnsRegistry, UsesTheInterfacesThatItIsTold) {
  EXPECT_THAT(BlockOn(OpenMdns("no-such-interface")->GetService(Context(), "greeter")),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("no-such-interface")));
  const auto by_name = OpenMdns("lo"), by_address = OpenMdns("127.0.0.1");
  ASSERT_THAT(Register(*by_name, Record("greeter")), IsOk());
  EXPECT_THAT(GetUntil(*by_address, "greeter", true), IsOk());
  const auto all = Open("mdns", {});
  EXPECT_THAT(GetUntil(*all, "greeter", true), IsOk());
}

// A go-micro client's question leaves by the default route's interface, whichever that is.
TEST(MdnsRegistry, JoinsTheGroupOnEveryInterface) {
  const auto registry = Open("mdns", {});
  ASSERT_THAT(Register(*registry, Record("greeter")), IsOk());
  std::ifstream groups("/proc/net/igmp");
  int interfaces = 0, joined = 0;
  for (std::string line; std::getline(groups, line);) {
    if (std::isdigit(line[0])) ++interfaces;
    if (line.find("FB0000E0") != std::string::npos) ++joined;
  }
  EXPECT_GE(interfaces, 1);
  EXPECT_EQ(joined, interfaces);
}

TEST(MdnsRegistry, ItsEndIsTheEndOfWhatWaits) {
  auto registry = Open("mdns", {.addresses = {"lo"}, .timeout = absl::Hours(1)});
  const auto watcher = Watch(*registry);
  std::thread waiter([&, lookup = registry->GetService(Context(), "greeter")]() mutable {
    EXPECT_THAT(BlockOn(std::move(lookup)), StatusIs(absl::StatusCode::kUnavailable));
  });
  Stranger stranger;  // sees the question, so that the lookup has begun
  EXPECT_THAT(
      BlockOn(registry->GetService(WithTimeout(Context(), absl::Milliseconds(300)), "greeter")),
      StatusIs(absl::StatusCode::kDeadlineExceeded));
  registry.reset();
  waiter.join();
  EXPECT_THAT(Next(*watcher), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace micro::registry
