#include "registry/etcd/etcd_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "core/testing/status_matchers.h"
#include "registry/service_json.h"

namespace micro::registry {
namespace {

using testing::HasSubstr;
using testing::Optional;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr char kPrefix[] = "/micro/registry/";

const Service kGreeter{
    .name = "greeter",
    .version = "1.0.0",
    .nodes = {
        {.id = "greeter-1", .address = "127.0.0.1:8080", .metadata = {{"protocol", "grpc"}}}}};

TEST(EtcdRecord, KeysAreGoMicros) {
  EXPECT_EQ(EtcdPrefix(""), kPrefix);
  EXPECT_EQ(EtcdServiceKey(kPrefix, "greeter"), "/micro/registry/greeter/");
  EXPECT_EQ(EtcdNodeKey(kPrefix, "greeter", "greeter-1"), "/micro/registry/greeter/greeter-1");
  EXPECT_EQ(EtcdNodeKey(kPrefix, "go/micro/srv", "a/b"), "/micro/registry/go-micro-srv/a-b");
}

TEST(EtcdRecord, APrefixEndsInASlash) {
  EXPECT_EQ(EtcdPrefix("/team/a"), "/team/a/");
  EXPECT_EQ(EtcdPrefix("team/"), "team/");
  EXPECT_EQ(EtcdNodeKey(EtcdPrefix("/team/a"), "greeter", "g-1"), "/team/a/greeter/g-1");
}

TEST(EtcdRecord, ARangeEndsBehindItsPrefix) {
  EXPECT_EQ(EtcdRangeEnd("/micro/registry/"), "/micro/registry0");
  EXPECT_EQ(EtcdRangeEnd("a\xff\xff"), "b");
  EXPECT_EQ(EtcdRangeEnd("\xff"), std::string(1, '\0'));
  EXPECT_EQ(EtcdRangeEnd(""), std::string(1, '\0'));
}

TEST(EtcdRecord, AKeySaysServiceAndNode) {
  EXPECT_THAT(ParseEtcdKey(kPrefix, "/micro/registry/greeter/greeter-1"),
              Optional(EtcdKey{"greeter", "greeter-1"}));
  for (const std::string key : {"", "/micro/registry/", "/micro/registry/greeter",
                                "/micro/registry/greeter/", "/micro/registry//greeter-1",
                                "/micro/registry/greeter/a/b", "/micro/other/greeter/greeter-1"}) {
    EXPECT_EQ(ParseEtcdKey(kPrefix, key), std::nullopt) << key;
  }
}

TEST(EtcdRecord, ReadsWhatIsWritten) {
  const auto read =
      ReadEtcdRecord(kPrefix, EtcdNodeKey(kPrefix, "greeter", "greeter-1"), ToJson(kGreeter));
  ASSERT_THAT(read, IsOk());
  EXPECT_TRUE(*read == kGreeter);
  Service slashes = kGreeter;
  slashes.name = "a/b";
  slashes.nodes[0].id = "x/y";
  EXPECT_THAT(ReadEtcdRecord(kPrefix, "/micro/registry/a-b/x-y", ToJson(slashes)), IsOk());
}

TEST(EtcdRecord, RefusesAValueThatIsNotTheKeys) {
  const std::string value = ToJson(kGreeter);
  EXPECT_THAT(ReadEtcdRecord(kPrefix, "/micro/registry/other/greeter-1", value),
              StatusIs(kInvalid, HasSubstr("of the service \"greeter\"")));
  EXPECT_THAT(ReadEtcdRecord(kPrefix, "/micro/registry/greeter/greeter-2", value),
              StatusIs(kInvalid, HasSubstr("of the node \"greeter-1\"")));
  EXPECT_THAT(ReadEtcdRecord(kPrefix, "/micro/registry/greeter", value),
              StatusIs(kInvalid, HasSubstr("/micro/registry/<service>/<node>")));
  Service none = kGreeter, two = kGreeter, nowhere = kGreeter;
  none.nodes.clear();
  two.nodes.push_back({.id = "greeter-2", .address = "127.0.0.1:1"});
  nowhere.nodes[0].address = "nowhere";
  const std::string key = "/micro/registry/greeter/greeter-1";
  EXPECT_THAT(ReadEtcdRecord(kPrefix, key, ToJson(none)), StatusIs(kInvalid, HasSubstr("0 nodes")));
  EXPECT_THAT(ReadEtcdRecord(kPrefix, key, ToJson(two)), StatusIs(kInvalid, HasSubstr("2 nodes")));
  EXPECT_THAT(ReadEtcdRecord(kPrefix, key, ToJson(nowhere)),
              StatusIs(kInvalid, HasSubstr("\"nowhere\"")));
}

TEST(EtcdRecord, RefusesWhatIsNoRecord) {
  const std::string key = "/micro/registry/greeter/greeter-1", value = ToJson(kGreeter);
  for (size_t size = 0; size < value.size(); ++size) {
    EXPECT_THAT(ReadEtcdRecord(kPrefix, key, value.substr(0, size)), StatusIs(kInvalid)) << size;
  }
  EXPECT_THAT(ReadEtcdRecord(kPrefix, key, std::string(10 << 20, ' ')),
              StatusIs(kInvalid, HasSubstr("1 MiB")));
}

}  // namespace
}  // namespace micro::registry
