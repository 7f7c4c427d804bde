#include "due/locate/redis/redis_wire.h"

#include <gtest/gtest.h>

#include "core/testing/status_matchers.h"

namespace due {
namespace {

RedisReply Text(const std::string& text) { return {.type = RedisReply::kText, .text = text}; }

TEST(RedisWire, WritesCommandsWithAnyBytes) {
  EXPECT_EQ(ToBytes({"SET", "k", std::string("a\0\r\n", 4), ""}),
            std::string("*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\0\r\n\r\n$0\r\n\r\n", 36));
}

TEST(RedisWire, ReadsRepliesOfEveryTypeHoweverTheyArrive) {
  const std::string bytes =
      "+OK\r\n-ERR "
      "no\r\n:-7\r\n$-1\r\n$2\r\nab\r\n*-1\r\n*0\r\n*3\r\n$1\r\na\r\n*1\r\n:1\r\n$-1\r\n";
  const std::vector<RedisReply> expected = {
      {.type = RedisReply::kStatus, .text = "OK"},
      {.type = RedisReply::kError, .text = "ERR no"},
      {.type = RedisReply::kInteger, .integer = -7},
      {},
      Text("ab"),
      {},
      {.type = RedisReply::kArray},
      {.type = RedisReply::kArray,
       .elements = {
           Text("a"),
           {.type = RedisReply::kArray, .elements = {{.type = RedisReply::kInteger, .integer = 1}}},
           {}}}};
  for (const size_t step : {size_t{1}, size_t{3}, bytes.size()}) {
    RedisReader reader;
    std::vector<RedisReply> replies;
    for (size_t at = 0; at < bytes.size(); at += step) {
      reader.Feed(std::string_view(bytes).substr(at, step));
      while (true) {
        const auto reply = reader.Next();
        ASSERT_TRUE(reply.ok()) << reply.status();
        if (!reply->has_value()) break;
        replies.push_back(**reply);
      }
    }
    EXPECT_EQ(replies, expected) << step;
  }
}

TEST(RedisWire, RefusesWhatIsNoReplyForGood) {
  for (const char* bad : {"HTTP/1.1 400\r\n", "$x\r\n", "*99999999\r\n", "*2147483647\r\n",
                          "*60000\r\n*60000\r\n", "$-2\r\n", ":1x\r\n"}) {
    RedisReader reader;
    reader.Feed(bad);
    EXPECT_FALSE(reader.Next().ok()) << bad;
    reader.Feed("+OK\r\n");
    EXPECT_FALSE(reader.Next().ok()) << bad;
  }
}

TEST(RedisWire, RefusesAReplyThatIsTooLong) {
  RedisReader reader;
  reader.Feed("$1000000000\r\n");
  const std::string piece(1 << 20, 'x');
  absl::StatusOr<std::optional<RedisReply>> reply = std::optional<RedisReply>();
  int pieces = 0;
  for (; reply.ok() && pieces < 100; ++pieces) {
    reader.Feed(piece);
    reply = reader.Next();
  }
  EXPECT_LE(pieces, 17);
  EXPECT_THAT(reply.status(), micro::StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST(RedisWire, AReaderThatIsDroppedInsideAReplyFreesIt) {
  RedisReader reader;
  reader.Feed("*3\r\n$1\r\na\r\n*2\r\n");
  EXPECT_FALSE(reader.Next()->has_value());
}

}  // namespace
}  // namespace due
