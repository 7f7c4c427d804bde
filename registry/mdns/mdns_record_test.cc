#include "registry/mdns/mdns_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "core/testing/status_matchers.h"

namespace micro::registry {
namespace {

using testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

Instance Greeter(const std::string& id = "greeter-1",
                 const std::string& address = "192.168.1.10:8080") {
  return {.name = InstanceName(id, "greeter"),
          .ttl = 120,
          .service = {.name = "greeter",
                      .version = "1.0.0",
                      .endpoints = {{.name = "Greeter.Hello"}},
                      .nodes = {{id, address, {{"zone", "a"}}}}}};
}

dns::Message Response(const std::vector<Instance>& instances, const std::string& host = "myhost.") {
  dns::Message response{.flags = dns::kResponse};
  for (const Instance& instance : instances) {
    for (dns::Record& record : ServiceRecords(instance, InstanceRecords(instance, host).value())) {
      response.answers.push_back(std::move(record));
    }
  }
  return response;
}

TEST(MdnsRecord, ComesInTheOrderThatGoMicroNeeds) {
  const std::vector<dns::Record> records =
      ServiceRecords(Greeter(), InstanceRecords(Greeter(), "myhost.").value());
  ASSERT_EQ(records.size(), 4u);
  EXPECT_TRUE(records[0] ==
              (dns::Record{"greeter.micro.", 120, dns::Ptr{"greeter-1.greeter.micro."}}));
  EXPECT_TRUE(records[1] ==
              (dns::Record{"greeter-1.greeter.micro.", 120, dns::Srv{10, 1, 8080, "myhost."}}));
  EXPECT_TRUE(records[2] == (dns::Record{"myhost.", 120, dns::A{{192, 168, 1, 10}}}));
  EXPECT_EQ(records[3].name, "greeter-1.greeter.micro.");
  EXPECT_TRUE(std::holds_alternative<dns::Txt>(records[3].data));
}

TEST(MdnsRecord, ReadsWhatItWrites) {
  for (const char* address : {"10.0.0.1:1", "[2001:db8::1]:65535"}) {
    for (const char* id : {"greeter-1", "greeter.1", "größe"}) {
      const Announced announced = ReadResponse(Response({Greeter(id, address)}));
      ASSERT_EQ(announced.instances.size(), 1u);
      EXPECT_TRUE(announced.instances[0].service == Greeter(id, address).service);
      EXPECT_EQ(announced.instances[0].ttl, 120u);
      EXPECT_THAT(announced.incomplete, testing::IsEmpty());
    }
  }
}

TEST(MdnsRecord, KeepsApartNodesOfOneHostWithDifferentAddresses) {
  const std::vector<Instance> instances = {Greeter("a", "10.0.0.1:1"), Greeter("b", "10.0.0.2:2")};
  const Announced announced = ReadResponse(Response(instances));
  ASSERT_EQ(announced.instances.size(), 2u);
  EXPECT_EQ(announced.instances[0].service.nodes[0].address, "10.0.0.1:1");
  EXPECT_EQ(announced.instances[1].service.nodes[0].address, "10.0.0.2:2");
}

TEST(MdnsRecord, TakesTheAddressFromAnywhereInTheMessageAndPrefersIpv4) {
  dns::Message response = Response({Greeter()});
  const dns::Record v4 = response.answers[2];
  response.answers.erase(response.answers.begin() + 2);
  response.additionals = {{"myhost.", 120, dns::Aaaa{{0x20, 1}}}, v4};
  EXPECT_EQ(ReadResponse(response).instances.at(0).service.nodes[0].address, "192.168.1.10:8080");
  std::swap(response.answers, response.additionals);
  EXPECT_EQ(ReadResponse(response).instances.size(), 1u);
}

TEST(MdnsRecord, NamesInstancesThatLackAPart) {
  for (const int missing : {1, 2, 3}) {
    dns::Message response = Response({Greeter()});
    response.answers.erase(response.answers.begin() + missing);
    const Announced announced = ReadResponse(response);
    EXPECT_THAT(announced.instances, testing::IsEmpty());
    EXPECT_THAT(announced.incomplete, testing::ElementsAre("greeter-1.greeter.micro."));
  }
}

TEST(MdnsRecord, IgnoresWhatIsNotGoMicros) {
  dns::Message response = Response({Greeter()});
  for (dns::Record& record : response.answers) {
    if (record.name == "greeter-1.greeter.micro.") record.name = "greeter-1.other.micro.";
  }
  EXPECT_THAT(ReadResponse(response).instances, testing::IsEmpty())
      << "the TXT record is of another service";
  const dns::Message printer{
      .answers = {{"_ipp._tcp.local.", 10, dns::Ptr{"printer._ipp._tcp.local."}},
                  {"printer._ipp._tcp.local.", 10, dns::Srv{0, 0, 631, "printer.local."}}}};
  EXPECT_THAT(ReadResponse(printer).incomplete, testing::IsEmpty());
}

TEST(MdnsRecord, ReadsListings) {
  dns::Message response{.answers = ListRecords("greeter", "myhost.")};
  EXPECT_THAT(ReadResponse(response).listed, testing::ElementsAre("greeter"));
  EXPECT_THAT(ReadResponse(response).instances, testing::IsEmpty());
  EXPECT_THAT(ReadResponse(response).incomplete, testing::IsEmpty());
  response.answers[0].ttl = 0;
  EXPECT_THAT(ReadResponse(response).listed, testing::IsEmpty());
}

TEST(MdnsRecord, ReadsABoundedNumberOfInstancesFromOneMessage) {
  std::vector<Instance> instances;
  for (int i = 0; i < 50; ++i) instances.push_back(Greeter("node" + std::to_string(i)));
  EXPECT_EQ(ReadResponse(Response(instances)).instances.size(), 16u);
}

TEST(MdnsRecord, IgnoresARecordThatTakesMuchMoreMemoryThanItsPacket) {
  Instance instance = Greeter();
  instance.service.endpoints.resize(2500);
  EXPECT_THAT(ReadResponse(Response({instance})).instances, testing::IsEmpty());
  instance.service.endpoints.resize(500);
  const Announced announced = ReadResponse(Response({instance}));
  ASSERT_EQ(announced.instances.size(), 1u);
  EXPECT_GE(announced.instances[0].bytes, 500 * sizeof(Endpoint));
}

TEST(MdnsRecord, RefusesWhatCannotBeAnnounced) {
  const auto refusal = [](const Instance& instance) {
    return InstanceRecords(instance, "myhost.");
  };
  EXPECT_THAT(refusal(Greeter("a", "localhost:80")),
              StatusIs(kInvalid, HasSubstr("not an IP address")));
  EXPECT_THAT(refusal(Greeter("a", "10.0.0.1:0")), StatusIs(kInvalid, HasSubstr("1 to 65535")));
  EXPECT_THAT(refusal(Greeter("a", "10.0.0.1:70000")), StatusIs(kInvalid, HasSubstr("1 to 65535")));
  EXPECT_THAT(refusal(Greeter(std::string(64, 'a'))), StatusIs(kInvalid, HasSubstr("at most 63")));
  const std::string label(62, 'a');
  EXPECT_THAT(refusal(Greeter(label + "." + label + "." + label + "." + label)),
              StatusIs(kInvalid, HasSubstr("at most 255")));
  Instance large = Greeter();
  uint32_t noise = 1;
  for (int i = 0; i < 8000; ++i) {
    large.service.nodes[0].metadata["noise"] +=
        static_cast<char>('!' + (noise = noise * 1664525 + 1013904223) % 90);
  }
  EXPECT_THAT(refusal(large), StatusIs(kInvalid, HasSubstr("at most 8972")));
}

}  // namespace
}  // namespace micro::registry
