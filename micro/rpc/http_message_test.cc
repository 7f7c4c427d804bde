#include "micro/rpc/http_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/testing/status_matchers.h"

namespace micro::rpc {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr size_t kAtOnce = SIZE_MAX;

// A message that outlives the reader's buffer.
struct Kept {
  std::string method, target;
  int status = 0;
  bool keep_alive = false;
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
};

struct Outcome {
  std::vector<Kept> messages;
  absl::Status error;
  int refusal = 0;
  bool in_message = false;
};

void Feed(HttpReader& reader, std::string_view bytes) {
  std::memcpy(reader.Space(bytes.size()), bytes.data(), bytes.size());
  reader.Commit(bytes.size());
}

// Reads all messages of `bytes`, given in steps of `step` bytes.
Outcome ReadAll(HttpReader::Kind kind, std::string_view bytes, size_t step = kAtOnce,
                HttpLimits limits = {}, bool ended = false) {
  HttpReader reader(kind, limits);
  Outcome outcome;
  const auto take = [&](absl::StatusOr<const HttpMessage*> next) {
    if (!next.ok()) {
      outcome.error = next.status();
      outcome.refusal = reader.refusal();
    }
    if (!next.ok() || *next == nullptr) return false;
    const HttpMessage& message = **next;
    Kept& kept = outcome.messages.emplace_back();
    kept = {.method = std::string(message.method),
            .target = std::string(message.target),
            .status = message.status,
            .keep_alive = message.keep_alive,
            .headers = {message.headers.begin(), message.headers.end()},
            .body = std::string(message.body)};
    return true;
  };
  while (!bytes.empty() && outcome.error.ok()) {
    const std::string_view part = bytes.substr(0, step);
    bytes.remove_prefix(part.size());
    Feed(reader, part);
    while (take(reader.Next())) {
    }
  }
  if (ended && outcome.error.ok()) take(reader.End());
  outcome.in_message = reader.InMessage();
  return outcome;
}

std::string Lf(std::string_view text) {  // "\n" stands for "\r\n", for tables that can be read
  std::string crlf;
  for (const char c : text) crlf += c == '\n' ? "\r\n" : std::string(1, c);
  return crlf;
}

// ---- What is read, however it comes in ----

class EachStep : public ::testing::TestWithParam<size_t> {};
INSTANTIATE_TEST_SUITE_P(Steps, EachStep, ::testing::Values(1, 2, 3, 7, 64, kAtOnce));

TEST_P(EachStep, ReadsARequestWithLength) {
  const Outcome outcome = ReadAll(HttpReader::kRequests,
                                  Lf("POST /x?y=z HTTP/1.1\nHost: here\nContent-Type:json \n"
                                     "Foo_bar:\t z\t\nEmpty:\nContent-Length: 17\n\n") +
                                      "{\"name\":\"John\"}\r\n",
                                  GetParam());
  ASSERT_THAT(outcome.error, IsOk());
  ASSERT_EQ(outcome.messages.size(), 1u);
  const Kept& message = outcome.messages[0];
  EXPECT_EQ(message.method, "POST");
  EXPECT_EQ(message.target, "/x?y=z");
  EXPECT_TRUE(message.keep_alive);
  EXPECT_THAT(message.headers,
              ElementsAre(Pair("Host", "here"), Pair("Content-Type", "json"), Pair("Foo_bar", "z"),
                          Pair("Empty", ""), Pair("Content-Length", "17")));
  EXPECT_EQ(message.body, "{\"name\":\"John\"}\r\n");
  EXPECT_FALSE(outcome.in_message);
}

TEST_P(EachStep, ReadsPipelinedRequestsOfAllForms) {
  const Outcome outcome = ReadAll(HttpReader::kRequests,
                                  Lf("GET / HTTP/1.1\n\n"
                                     "POST /a HTTP/1.1\nContent-Length: 3\n\nabc"
                                     "POST /b HTTP/1.1\nTransfer-Encoding: chunked\n\n"
                                     "3\nabc\n0002;a=\"b\"\nde\n0\nTrailer-One: x\n\n"
                                     "POST /c HTTP/1.1\nTransfer-Encoding: Chunked\n\n0\n\n"
                                     "POST /d HTTP/1.1\nContent-Length: 1\nConnection: close\n\nx"
                                     "POST /e HT"),
                                  GetParam());
  ASSERT_THAT(outcome.error, IsOk());
  ASSERT_EQ(outcome.messages.size(), 5u);
  EXPECT_EQ(outcome.messages[0].body, "");
  EXPECT_EQ(outcome.messages[1].body, "abc");
  EXPECT_EQ(outcome.messages[2].body, "abcde");
  EXPECT_THAT(outcome.messages[2].headers, ElementsAre(Pair("Transfer-Encoding", "chunked")));
  EXPECT_EQ(outcome.messages[3].body, "");
  EXPECT_TRUE(outcome.messages[3].keep_alive);
  EXPECT_EQ(outcome.messages[4].body, "x");
  EXPECT_FALSE(outcome.messages[4].keep_alive);
  EXPECT_TRUE(outcome.in_message);
}

TEST_P(EachStep, ReadsResponsesOfAllForms) {
  const Outcome outcome = ReadAll(HttpReader::kResponses,
                                  Lf("HTTP/1.1 100 Continue\n\n"
                                     "HTTP/1.1 200 OK\nContent-Length: 2\nMicro-Error: EOS\n\nab"
                                     "HTTP/1.1 204 \nContent-Length: 5\n\n"
                                     "HTTP/1.1 500 Internal Server Error\n"
                                     "Transfer-Encoding: chunked\n\n1\nc\n0\n\n"
                                     "HTTP/1.1 200 OK\n\nwithout length"),
                                  GetParam(), {}, /*ended=*/true);
  ASSERT_THAT(outcome.error, IsOk());
  ASSERT_EQ(outcome.messages.size(), 4u);
  EXPECT_EQ(outcome.messages[0].status, 200);
  EXPECT_EQ(outcome.messages[0].body, "ab");
  EXPECT_EQ(outcome.messages[1].status, 204);
  EXPECT_EQ(outcome.messages[1].body, "");
  EXPECT_EQ(outcome.messages[2].body, "c");
  EXPECT_TRUE(outcome.messages[2].keep_alive);
  EXPECT_EQ(outcome.messages[3].body, "without length");
  EXPECT_FALSE(outcome.messages[3].keep_alive);
}

TEST_P(EachStep, ReadsBodiesOfAnySizeAndManyChunks) {
  std::string body(300'000, '\0');
  for (size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31);
  std::string chunked = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n";
  for (size_t at = 0, size = 1; at < body.size(); at += size, size = size % 5000 + 1) {
    const std::string part = body.substr(at, size);
    char line[16];
    std::snprintf(line, sizeof(line), "%zX\r\n", part.size());
    chunked += line + part + "\r\n";
  }
  const Outcome outcome = ReadAll(HttpReader::kRequests,
                                  "POST / HTTP/1.1\r\nContent-Length: 300000\r\n\r\n" + body +
                                      chunked + "0\r\n\r\n" + "GET /next HTTP/1.1\r\n\r\n",
                                  GetParam() == 1 ? 5 : GetParam());
  ASSERT_THAT(outcome.error, IsOk());
  ASSERT_EQ(outcome.messages.size(), 3u);
  EXPECT_TRUE(outcome.messages[0].body == body);
  EXPECT_TRUE(outcome.messages[1].body == body);
  EXPECT_THAT(outcome.messages[1].headers,
              ElementsAre(Pair("Transfer-Encoding", "chunked"), Pair("X", "y")));
  EXPECT_EQ(outcome.messages[2].target, "/next");
}

TEST(HttpReader, KeepsConnectionsAsHttpSays) {
  const auto keeps = [](const std::string& text) {
    return ReadAll(HttpReader::kRequests, Lf(text)).messages.at(0).keep_alive;
  };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\n\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.1\nConnection: keep-alive\n\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\nConnection: Close\n\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\nConnection: keep-alive, close\n\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\n\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\nConnection: keep-alive\n\n"));
}

TEST(HttpReader, FindsHeadersInAnyCaseAndTheFirstOfTwo) {
  HttpReader reader(HttpReader::kRequests, {});
  Feed(reader, Lf("GET / HTTP/1.1\nmicro-ID: 1\nMicro-Id: 2\n\n"));
  const HttpMessage& message = **reader.Next();
  EXPECT_EQ(message.Get("Micro-Id"), "1");
  EXPECT_EQ(message.Get("Micro"), "");
}

TEST(HttpReader, KnowsARequestThatWaitsForContinue) {
  HttpReader reader(HttpReader::kRequests, {});
  Feed(reader, Lf("POST / HTTP/1.1\nExpect: 100-Continue\nContent-Length: 2\n"));
  EXPECT_EQ(*reader.Next(), nullptr);
  EXPECT_FALSE(reader.TakeExpectation());
  Feed(reader, "\r\n");
  EXPECT_EQ(*reader.Next(), nullptr);
  EXPECT_TRUE(reader.TakeExpectation());
  EXPECT_FALSE(reader.TakeExpectation());
  Feed(reader, "ab");
  EXPECT_EQ((*reader.Next())->body, "ab");
  // It has sent its body without waiting.
  Feed(reader, Lf("POST / HTTP/1.1\nExpect: 100-continue\nContent-Length: 1\n\nx"));
  EXPECT_EQ((*reader.Next())->body, "x");
  EXPECT_FALSE(reader.TakeExpectation());
}

TEST(HttpReader, KnowsWhetherItIsInAMessage) {
  HttpReader reader(HttpReader::kRequests, {});
  EXPECT_FALSE(reader.InMessage());
  Feed(reader, "G");
  EXPECT_EQ(*reader.Next(), nullptr);
  EXPECT_TRUE(reader.InMessage());
  Feed(reader, Lf("ET / HTTP/1.1\n\nGET"));
  EXPECT_NE(*reader.Next(), nullptr);
  EXPECT_TRUE(reader.InMessage());
  EXPECT_EQ(*reader.Next(), nullptr);
  Feed(reader, Lf(" / HTTP/1.1\n\n"));
  EXPECT_NE(*reader.Next(), nullptr);
  EXPECT_FALSE(reader.InMessage());
}

TEST(HttpReader, TellsAnEndInsideAMessageFromAnEndBetweenThem) {
  const auto end_after = [](HttpReader::Kind kind, const std::string& text) {
    return ReadAll(kind, Lf(text), kAtOnce, {}, /*ended=*/true).error;
  };
  EXPECT_THAT(end_after(HttpReader::kRequests, ""), IsOk());
  EXPECT_THAT(end_after(HttpReader::kRequests, "GET / HTTP/1.1\n\n"), IsOk());
  for (const std::string part : {"G", "GET / HTTP/1.1\n", "POST / HTTP/1.1\nContent-Length: 2\n\n",
                                 "POST / HTTP/1.1\nContent-Length: 2\n\na",
                                 "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n0\n"}) {
    EXPECT_THAT(end_after(HttpReader::kRequests, part),
                StatusIs(absl::StatusCode::kUnavailable, HasSubstr("inside a message")))
        << part;
  }
  EXPECT_THAT(end_after(HttpReader::kResponses, "HTTP/1.1 200 OK\nContent-Length: 2\n\na"),
              StatusIs(absl::StatusCode::kUnavailable));
}

// ---- What is refused, however it comes in ----

struct Refused {
  std::string_view bytes;
  int status;
  std::string_view why;
};

const Refused kRefusedRequests[] = {
    // No HTTP at all
    {"\r\nGET / HTTP/1.1\r\n\r\n", 400, "bad method"},
    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello", 400, "bad method"},
    {"GET\r\n\r\n", 400, "bad method"},
    {"GET  / HTTP/1.1\r\n\r\n", 400, "bad target"},
    {"GET / HTTP/1.1 \r\n\r\n", 505, "version"},
    {"GET /\r\n\r\n", 400, "bad"},
    {"GET / FTP/1.1\r\n\r\n", 400, "bad version"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "neither 1.0 nor 1.1"},
    {"GET / HTTP/0.9\r\n\r\n", 505, "neither 1.0 nor 1.1"},
    {"GET /\x01 HTTP/1.1\r\n\r\n", 400, "bad target"},
    {"GE\x01T / HTTP/1.1\r\n\r\n", 400, "bad method"},
    // Lines
    {"GET / HTTP/1.1\nHost: x\n\n", 400, "CRLF"},
    {"GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", 400, "bad"},
    {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, "bad field"},
    {"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400, "bad field"},
    {"GET / HTTP/1.1\r\nHost\r\n\r\n", 400, "bad field"},
    {"GET / HTTP/1.1\r\n: x\r\n\r\n", 400, "bad field"},
    {"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400, "second line"},
    {"GET / HTTP/1.1\r\nA:\r\n c\r\n\r\n", 400, "second line"},
    {"GET / HTTP/1.1\r\nA: b\r\n \r\n\r\n", 400, "second line"},
    {"GET / HTTP/1.1\r\nA: b\r\n\tc\r\nB: d\r\n\r\n", 400, "second line"},
    {{"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n", 26}, 400, "bad value"},
    {"GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n", 400, "bad value"},
    {"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400, "two Host headers"},
    // What two readers could take for two lengths
    {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, "Content-Length"},
    {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400, "more than one"},
    {"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\na", 400, "more than one"},
    {"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\na", 400, "Content-Length"},
    {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\na", 400, "Content-Length"},
    {"POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\na", 400, "Content-Length"},
    {"POST / HTTP/1.1\r\nContent-Length: 1 1\r\n\r\na", 400, "Content-Length"},
    {"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n", 400, "Content-Length"},
    {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400, "Content-Length"},
    {"POST / HTTP/1.1\r\nContent-Length: 18446744073709551616\r\n\r\n", 400, "Content-Length"},
    {"POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
     "ransfer"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 400,
     "Content-Length"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "not chunked"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501,
     "not chunked"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n", 501, "not chunked"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: \r\n\r\n", 501, "not chunked"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, "not chunked"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400, "ransfer"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400,
     "ransfer"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "HTTP/1.0"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding:\x0b chunked\r\n\r\n0\r\n\r\n", 400, "bad value"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, "bad field"},
    // Chunks
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", 400, "no number"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400, "no number"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n", 400, "no number"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\na\r\n", 400, "no number"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n", 400, "no number"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\na\r\n", 400, "no number"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n", 400, "CRLF"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;\x01\r\na\r\n", 400, "control"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400, "longer"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n", 400, "longer"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na0\r\n\r\n", 400, "longer"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\n", 400,
     "16 digits"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 413, "body of"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno header\r\n\r\n", 400,
     "no header"},
    {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\r\n", 400, "CRLF"},
};

TEST_P(EachStep, RefusesWhatIsNoRequestOrCouldBeTwo) {
  for (const Refused& refused : kRefusedRequests) {
    const Outcome outcome = ReadAll(HttpReader::kRequests, refused.bytes, GetParam());
    EXPECT_THAT(outcome.messages, IsEmpty()) << refused.bytes;
    EXPECT_FALSE(outcome.error.ok()) << refused.bytes;
    EXPECT_THAT(std::string(outcome.error.message()),
                AllOf(HasSubstr("no HTTP request: "), HasSubstr(std::string(refused.why))))
        << refused.bytes;
    EXPECT_EQ(outcome.refusal, refused.status) << refused.bytes << outcome.error;
  }
}

TEST_P(EachStep, RefusesWhatIsNoResponse) {
  for (const std::string text :
       {"GET / HTTP/1.1\n\n", "HTTP/1.1 20 OK\n\n", "HTTP/1.1 2000 OK\n\n", "HTTP/1.1 001 OK\n\n",
        "HTTP/1.1 101 Switching Protocols\n\n", "HTTP/3.1 200 OK\n\n",
        "HTTP/1.1 200 OK\nContent-Length: 1\nTransfer-Encoding: chunked\n\n0\n\n"}) {
    const Outcome outcome = ReadAll(HttpReader::kResponses, Lf(text), GetParam());
    EXPECT_THAT(outcome.messages, IsEmpty()) << text;
    EXPECT_THAT(outcome.error,
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("no HTTP response: ")))
        << text;
  }
}

TEST(HttpReader, AnErrorStays) {
  HttpReader reader(HttpReader::kRequests, {});
  Feed(reader, "\n");
  EXPECT_FALSE(reader.Next().ok());
  Feed(reader, Lf("GET / HTTP/1.1\n\n"));
  EXPECT_FALSE(reader.Next().ok());
  EXPECT_FALSE(reader.End().ok());
}

// ---- Limits ----

TEST_P(EachStep, HeadersHaveALimit) {
  const HttpLimits limits = {.header_bytes = 1000};
  const std::string start = "GET / HTTP/1.1\r\nA: ", rest = "\r\n\r\n";
  const std::string fits(1000 - start.size() - rest.size(), 'x');
  EXPECT_EQ(ReadAll(HttpReader::kRequests, start + fits + rest, GetParam(), limits).messages.size(),
            1u);
  for (const std::string& text : {start + fits + "x" + rest, start + std::string(100'000, 'x'),
                                  std::string(100'000, 'x'), "GET /" + std::string(100'000, 'x')}) {
    const Outcome outcome = ReadAll(HttpReader::kRequests, text, GetParam(), limits);
    EXPECT_THAT(outcome.error, StatusIs(absl::StatusCode::kResourceExhausted,
                                        HasSubstr("headers of more than 1000 bytes")));
    EXPECT_EQ(outcome.refusal, 431);
  }
}

TEST_P(EachStep, HeadersWithoutEndAreRefused) {
  std::string endless = "GET / HTTP/1.1\r\n";
  while (endless.size() < 100'000) endless += "A: b\r\n";
  EXPECT_THAT(
      ReadAll(HttpReader::kRequests, endless, GetParam(), {.header_bytes = 1000}).error,
      StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("headers of more than 1000 bytes")));
  EXPECT_EQ(ReadAll(HttpReader::kRequests, endless, GetParam()).refusal, 431);
}

TEST_P(EachStep, TooManyHeadersAreRefused) {
  const HttpLimits limits = {.headers = 3};
  const auto read = [&](const std::string& headers) {
    return ReadAll(HttpReader::kRequests, Lf("GET / HTTP/1.1\n" + headers + "\n"), GetParam(),
                   limits);
  };
  EXPECT_EQ(read("A: b\nA: b\nA: b\n").messages.size(), 1u);
  const Outcome outcome = read("A: b\nA: b\nA: b\nA: b\n");
  EXPECT_THAT(outcome.error,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("more than 3 headers")));
  EXPECT_EQ(outcome.refusal, 431);
}

TEST_P(EachStep, TrailersAndChunkLinesWithoutEndAreRefused) {
  const std::string start = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string trailers = start + "0\r\n";
  while (trailers.size() < 100'000) trailers += "A: b\r\n";
  const HttpLimits limits = {.header_bytes = 1000};
  for (const std::string& text :
       {trailers, start + "0\r\nA: " + std::string(100'000, 'x'),
        start + "1;" + std::string(100'000, 'x'), start + std::string(100'000, '0')}) {
    const Outcome outcome = ReadAll(HttpReader::kRequests, text, GetParam(), limits);
    EXPECT_THAT(outcome.messages, IsEmpty());
    EXPECT_FALSE(outcome.error.ok());
  }
}

TEST_P(EachStep, BodiesHaveALimit) {
  const HttpLimits limits = {.body_bytes = 10};
  const std::string chunked = "POST / HTTP/1.1\nTransfer-Encoding: chunked\n\n";
  for (const std::string& text : {std::string("POST / HTTP/1.1\nContent-Length: 11\n\n"),
                                  chunked + "b\n", chunked + "a\n0123456789\n1\n"}) {
    const Outcome outcome = ReadAll(HttpReader::kRequests, Lf(text), GetParam(), limits);
    EXPECT_THAT(outcome.error, StatusIs(absl::StatusCode::kResourceExhausted,
                                        HasSubstr("a body of more than 10 bytes")))
        << text;
    EXPECT_EQ(outcome.refusal, 413);
  }
  EXPECT_EQ(ReadAll(HttpReader::kRequests, Lf(chunked + "a\n0123456789\n0\n\n"), GetParam(), limits)
                .messages.size(),
            1u);
  EXPECT_THAT(
      ReadAll(HttpReader::kResponses, Lf("HTTP/1.1 200 OK\n\n0123456789a"), GetParam(), limits)
          .error,
      StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(HttpReader, AllocatesForWhatHasComeNotForWhatIsAnnounced) {
  HttpReader reader(HttpReader::kRequests, {});
  Feed(reader, Lf("POST / HTTP/1.1\nContent-Length: 4000000\n\n"));
  EXPECT_EQ(*reader.Next(), nullptr);
  (void)reader.Space(1);
  EXPECT_LT(reader.SpaceLeft(), 5000u);
}

TEST(HttpReader, GivesALargeBufferBack) {
  HttpReader reader(HttpReader::kRequests, {});
  Feed(reader, Lf("POST / HTTP/1.1\nContent-Length: 1000000\n\n"));
  Feed(reader, std::string(1'000'000, 'x'));
  EXPECT_NE(*reader.Next(), nullptr);
  EXPECT_EQ(*reader.Next(), nullptr);
  (void)reader.Space(1);
  EXPECT_LT(reader.SpaceLeft(), 5000u);
}

TEST(HttpText, KnowsWhatCanStandInAHeader) {
  EXPECT_TRUE(IsHeaderName("X-Foo_bar.9"));
  for (const char* name : {"", "a b", "a:", "a\r", "\xc3\xa4", "a\n"})
    EXPECT_FALSE(IsHeaderName(name));
  EXPECT_TRUE(IsHeaderValue("a b\t\xc3\xa4 {\"x\":1}"));
  EXPECT_TRUE(IsHeaderValue(""));
  for (const char* value : {"a\r", "\n", "\x01", "\x7f"}) EXPECT_FALSE(IsHeaderValue(value));
}

}  // namespace
}  // namespace micro::rpc
