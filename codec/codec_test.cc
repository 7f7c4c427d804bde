#include "codec/codec.h"

#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <latch>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "codec/codec_test.pb.h"
#include "core/plugin_table.h"
#include "core/testing/status_matchers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace micro::codec {
namespace {

using absl::StatusCode;
using google::protobuf::util::MessageDifferencer;
using test::OldUser;
using test::User;
using testing::AllOf;
using testing::HasSubstr;

// A codec that a program adds of its own.
class ReverseCodec final : public Codec {
 public:
  std::string_view name() const override { return "reverse"; }

 protected:
  absl::Status MarshalMessage(const google::protobuf::Message&,
                              google::protobuf::io::ZeroCopyOutputStream&) const override {
    return absl::UnimplementedError("");
  }
  absl::Status UnmarshalMessage(google::protobuf::io::ZeroCopyInputStream&,
                                google::protobuf::Message&) const override {
    return absl::UnimplementedError("");
  }
};
MICRO_PLUGIN(Codec, "reverse",
             [](const Codec::PluginOptions&) { return std::make_unique<ReverseCodec>(); });

std::string NameFor(std::string_view content_type) {
  const auto codec = ForContentType(content_type);
  return codec.ok() ? std::string((*codec)->name()) : codec.status().ToString();
}

const Codec& Named(const std::string& name) { return **ForContentType("application/grpc+" + name); }

User Someone() {
  User user;
  user.set_user_name("J\xc3\xb6hn");
  user.set_account_id(-9'007'199'254'740'993);  // not a double
  user.set_quota(18'446'744'073'709'551'615u);
  user.set_avatar(std::string("\0\xff", 2));
  user.add_home_towns("Ulm");
  (*user.mutable_scores())["chess"] = 7;
  user.mutable_invited_by()->set_user_name("Jane");
  return user;
}

User Parsed(const Codec& codec, std::string_view bytes) {
  User user;
  EXPECT_THAT(codec.UnmarshalFromString(bytes, user), IsOk()) << bytes;
  return user;
}

// A stream of small blocks, as the slices of a wire are.
class SmallBlocks final : public google::protobuf::io::ZeroCopyOutputStream {
 public:
  explicit SmallBlocks(int most_blocks = INT32_MAX) : most_blocks_(most_blocks) {}

  bool Next(void** data, int* size) override {
    if (static_cast<int>(blocks_.size()) == most_blocks_) return false;
    *data = blocks_.emplace_back().data();
    last_size_ = *size = kBlock;
    return true;
  }
  void BackUp(int count) override { last_size_ -= count; }
  int64_t ByteCount() const override {
    return blocks_.empty() ? 0 : static_cast<int64_t>(blocks_.size() - 1) * kBlock + last_size_;
  }

  std::string Bytes() const {
    std::string bytes;
    for (const auto& block : blocks_) bytes.append(block.data(), block.size());
    bytes.resize(static_cast<size_t>(ByteCount()));
    return bytes;
  }

  static constexpr int kBlock = 7;

 private:
  const int most_blocks_;
  int last_size_ = 0;
  std::deque<std::array<char, kBlock>> blocks_;
};

TEST(ForContentType, KnowsEveryTypeOfGoMicrosGrpc) {
  EXPECT_EQ(NameFor("application/json"), "json");
  EXPECT_EQ(NameFor("application/protobuf"), "proto");
  EXPECT_EQ(NameFor("application/proto"), "proto");
  EXPECT_EQ(NameFor("application/octet-stream"), "proto");
  EXPECT_EQ(NameFor("application/grpc"), "proto");
  EXPECT_EQ(NameFor("application/grpc+proto"), "proto");
  EXPECT_EQ(NameFor("application/grpc+json"), "json");
  EXPECT_EQ(NameFor("application/grpc+bytes"), "bytes");
}

TEST(ForContentType, PassesOverParametersCaseAndBlanks) {
  EXPECT_EQ(NameFor("application/json; charset=utf-8"), "json");
  EXPECT_EQ(NameFor("application/json;charset=utf-8;q=1"), "json");
  EXPECT_EQ(NameFor("Application/GRPC+Json"), "json");
  EXPECT_EQ(NameFor("APPLICATION/GRPC"), "proto");
  EXPECT_EQ(NameFor("application/Octet-Stream"), "proto");
  EXPECT_EQ(NameFor(" application/grpc+proto ; x=y"), "proto");
}

TEST(ForContentType, FindsACodecOfTheProgramsOwn) {
  EXPECT_EQ(NameFor("application/grpc+reverse"), "reverse");
  EXPECT_EQ(NameFor("application/reverse"), "reverse");
}

TEST(ForContentType, RefusesAnyOther) {
  for (const std::string type :
       {"", "json", "text/plain", "application", "application/", "application/grpc+",
        "application/grpc+xml", "application/jsonx", "text/json", "grpc+json", ";",
        "application/x-www-form-urlencoded; charset=utf-8"}) {
    EXPECT_THAT(ForContentType(type),
                StatusIs(StatusCode::kInvalidArgument, "unsupported Content-Type: " + type));
  }
}

TEST(ForContentType, AnswersManyThreadsWithTheSameCodec) {
  const Codec* const expected = *ForContentType("application/json");
  std::latch begin(4);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      begin.arrive_and_wait();
      for (int j = 0; j < 1000; ++j) EXPECT_EQ(*ForContentType("application/grpc+json"), expected);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(EveryCodec, PassesAFrameAsItIs) {
  Frame sent;
  sent.data = std::string("no JSON, \0 no protobuf \xff", 24);
  for (const std::string name : {"proto", "json", "bytes"}) {
    const auto bytes = Named(name).MarshalToString(sent);
    EXPECT_THAT(bytes, IsOkAndHolds(sent.data)) << name;
    Frame received;
    received.data = "what was there before";
    EXPECT_THAT(Named(name).UnmarshalFromString(*bytes, received), IsOk());
    EXPECT_EQ(received.data, sent.data) << name;
  }
}

TEST(EveryCodec, PassesAnEmptyFrame) {
  for (const std::string name : {"proto", "json", "bytes"}) {
    EXPECT_THAT(Named(name).MarshalToString(Frame()), IsOkAndHolds("")) << name;
    Frame received;
    received.data = "what was there before";
    EXPECT_THAT(Named(name).UnmarshalFromString("", received), IsOk());
    EXPECT_EQ(received.data, "") << name;
  }
}

TEST(EveryCodec, WritesAndReadsBigBodiesInSmallBlocks) {
  User user = Someone();
  user.set_user_name(std::string(1 << 20, 'x'));
  Frame frame;
  frame.data = std::string(1 << 20, 'y');
  for (const std::string name : {"proto", "json"}) {
    SmallBlocks out;
    ASSERT_THAT(Named(name).Marshal(user, out), IsOk());
    const std::string bytes = out.Bytes();
    google::protobuf::io::ArrayInputStream in(bytes.data(), static_cast<int>(bytes.size()),
                                              SmallBlocks::kBlock);
    User received;
    ASSERT_THAT(Named(name).Unmarshal(in, received), IsOk());
    EXPECT_TRUE(MessageDifferencer::Equals(received, user)) << name;
  }
  SmallBlocks out;
  ASSERT_THAT(Named("bytes").Marshal(frame, out), IsOk());
  EXPECT_EQ(out.Bytes(), frame.data);
  google::protobuf::io::ArrayInputStream in(frame.data.data(), static_cast<int>(frame.data.size()),
                                            SmallBlocks::kBlock);
  Frame received;
  ASSERT_THAT(Named("bytes").Unmarshal(in, received), IsOk());
  EXPECT_EQ(received.data, frame.data);
}

TEST(EveryCodec, FailsWhenTheStreamIsFull) {
  Frame frame;
  frame.data = std::string(100, 'x');
  User user;
  user.set_user_name(frame.data);
  for (const std::string name : {"proto", "json"}) {
    SmallBlocks for_message(3);
    EXPECT_FALSE(Named(name).Marshal(user, for_message).ok()) << name;
    SmallBlocks for_frame(3);
    EXPECT_THAT(Named(name).Marshal(frame, for_frame), StatusIs(StatusCode::kResourceExhausted))
        << name;
  }
}

TEST(EveryCodec, ReadsInPlaceOfWhatWasThere) {
  for (const std::string name : {"proto", "json"}) {
    User sent;
    sent.set_user_name("John");
    User received = Someone();
    ASSERT_THAT(Named(name).UnmarshalFromString(*Named(name).MarshalToString(sent), received),
                IsOk());
    EXPECT_TRUE(MessageDifferencer::Equals(received, sent)) << name;
  }
}

TEST(ProtoCodec, ReadsWhatItWrites) {
  const auto bytes = Named("proto").MarshalToString(Someone());
  ASSERT_THAT(bytes, IsOk());
  EXPECT_TRUE(MessageDifferencer::Equals(Parsed(Named("proto"), *bytes), Someone()));
}

TEST(ProtoCodec, IsProtobufsBinaryForm) {
  User john;
  john.set_user_name("John");
  EXPECT_THAT(Named("proto").MarshalToString(john), IsOkAndHolds(std::string("\x0a\x04John")));
  EXPECT_THAT(Named("proto").MarshalToString(User()), IsOkAndHolds(""));
}

TEST(ProtoCodec, KeepsFieldsThatItDoesNotKnow) {
  const std::string bytes = *Named("proto").MarshalToString(Someone());
  OldUser old;
  ASSERT_THAT(Named("proto").UnmarshalFromString(bytes, old), IsOk());
  EXPECT_EQ(old.user_name(), Someone().user_name());
  EXPECT_TRUE(MessageDifferencer::Equals(
      Parsed(Named("proto"), *Named("proto").MarshalToString(old)), Someone()));
}

TEST(ProtoCodec, RefusesATruncatedBody) {
  User john;
  john.set_user_name("John");
  const std::string bytes = *Named("proto").MarshalToString(john);
  for (size_t size = 1; size < bytes.size(); ++size) {
    User user;
    EXPECT_THAT(
        Named("proto").UnmarshalFromString(std::string_view(bytes).substr(0, size), user),
        StatusIs(StatusCode::kInvalidArgument, "the body is not a protobuf micro.codec.test.User"))
        << size;
  }
}

TEST(ProtoCodec, RefusesHostileNesting) {
  std::string bytes;
  for (int i = 0; i < 20'000;
       ++i) {  // each level wraps the one inside, so that all lengths are right
    std::string length;
    for (size_t rest = bytes.size(); length.empty() || rest > 0; rest >>= 7) {
      length += static_cast<char>((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    }
    bytes.insert(0, "\x3a" + length);  // field 7, invited_by
  }
  User user;
  EXPECT_THAT(Named("proto").UnmarshalFromString(bytes, user),
              StatusIs(StatusCode::kInvalidArgument));
}

TEST(JsonCodec, ReadsWhatItWrites) {
  const auto text = Named("json").MarshalToString(Someone());
  ASSERT_THAT(text, IsOk());
  EXPECT_TRUE(MessageDifferencer::Equals(Parsed(Named("json"), *text), Someone()));
}

TEST(JsonCodec, WritesLowerCamelCaseAndWideIntegersAsText) {
  const auto text = Named("json").MarshalToString(Someone());
  ASSERT_THAT(text, IsOk());
  EXPECT_EQ(nlohmann::json::parse(*text), nlohmann::json::parse(R"({
    "userName": "Jöhn", "accountId": "-9007199254740993", "quota": "18446744073709551615", "avatar": "AP8=",
    "homeTowns": ["Ulm"], "scores": {"chess": 7}, "invitedBy": {"userName": "Jane"}})"));
  EXPECT_THAT(Named("json").MarshalToString(User()), IsOkAndHolds("{}"));
}

TEST(JsonCodec, ReadsBothFormsOfNames) {
  EXPECT_EQ(Parsed(Named("json"), R"({"userName": "John"})").user_name(), "John");
  EXPECT_EQ(Parsed(Named("json"), R"({"user_name": "John"})").user_name(), "John");
}

TEST(JsonCodec, ReadsWideIntegersAsTextAndAsNumbers) {
  EXPECT_EQ(Parsed(Named("json"), R"({"accountId": "-9007199254740993"})").account_id(),
            -9'007'199'254'740'993);
  EXPECT_EQ(Parsed(Named("json"), R"({"accountId": -9007199254740993})").account_id(),
            -9'007'199'254'740'993);
}

TEST(JsonCodec, PassesOverFieldsThatItDoesNotKnow) {
  EXPECT_EQ(Parsed(Named("json"), R"({"new": {"deep": [1, {"x": null}]}, "userName": "John"})")
                .user_name(),
            "John");
}

TEST(JsonCodec, ReadsTheNewlineThatGosEncoderAdds) {
  EXPECT_EQ(Parsed(Named("json"), "{\"userName\":\"John\"}\n").user_name(), "John");
}

TEST(JsonCodec, RefusesWhatIsNotJsonOfTheMessage) {
  for (const std::string text :
       {"", "{", "{]", "junk", "[]", "\"John\"", R"({"userName": "John)", R"({"userName": 7)",
        R"({"accountId": "many"})", R"({"userName": "John"} junk)", "{\"userName\": \"\xff\"}"}) {
    User user;
    EXPECT_THAT(Named("json").UnmarshalFromString(text, user),
                StatusIs(StatusCode::kInvalidArgument,
                         HasSubstr("the body is not JSON of micro.codec.test.User: ")))
        << text;
  }
}

std::string Repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

// Protobuf's own reader takes time by the square of the depth of arrays: without a limit of ours
// this test does not end.
TEST(JsonCodec, RefusesHostileNesting) {
  constexpr int kDeep = 100'000;
  const std::string brackets = Repeated("[", kDeep) + Repeated("]", kDeep);
  User user;
  google::protobuf::Value any;
  for (const std::string& text :
       {Repeated(R"({"invitedBy":)", kDeep) + "{}" + Repeated("}", kDeep), brackets,
        Repeated("[", kDeep), R"({"unknown":)" + brackets + "}", R"({"a\"":)" + brackets + "}",
        R"({'a"':)" + brackets + "}", R"({"a'":)" + brackets + "}"}) {
    const std::string begin = text.substr(0, 20);
    const auto refusal = StatusIs(StatusCode::kInvalidArgument);
    EXPECT_THAT(Named("json").UnmarshalFromString(text, user), refusal) << begin;
    EXPECT_THAT(Named("json").UnmarshalFromString(text, any), refusal) << begin;
  }
}

TEST(JsonCodec, ReadsBracketsInATextAndManyBesideEachOther) {
  const std::string text = Repeated("[{", 200) + "\\\"" + Repeated("[{", 200);
  EXPECT_EQ(Parsed(Named("json"), R"({"userName": ")" + text + "\"}").user_name(),
            Repeated("[{", 200) + "\"" + Repeated("[{", 200));
  const std::string wide = R"({"unknown": [)" + Repeated("[],", 200) + R"(0], "userName": "John"})";
  EXPECT_EQ(Parsed(Named("json"), wide).user_name(), "John");
}

TEST(JsonCodec, RefusesToWriteWhatIsTooDeepToRead) {
  User user;
  User* inner = &user;
  for (int i = 0; i < 1000; ++i) inner = inner->mutable_invited_by();
  EXPECT_THAT(Named("json").MarshalToString(user),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("micro.codec.test.User cannot be written as JSON: ")));
}

TEST(BytesCodec, TakesFramesAlone) {
  User user;
  const auto refusal =
      StatusIs(StatusCode::kInvalidArgument,
               AllOf(HasSubstr("codec \"bytes\""), HasSubstr("not a micro.codec.test.User")));
  EXPECT_THAT(Named("bytes").MarshalToString(user), refusal);
  EXPECT_THAT(Named("bytes").UnmarshalFromString("", user), refusal);
}

}  // namespace
}  // namespace micro::codec
