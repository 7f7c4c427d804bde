// The first line and the headers are read by http_head.h, the body here: more strictly than a general
// HTTP library may, and in place.
#include "micro/rpc/http_message.h"

#include <fmt/format.h>

#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "core/strings.h"
#include "micro/rpc/http_head.h"

namespace micro::rpc {
namespace {

namespace http = boost::beast::http;

constexpr size_t kFirstBuffer = 4 << 10;  // most connections never need more
constexpr size_t kKeptBuffer = 64 << 10;  // a larger one is given back when it is empty
constexpr size_t kChunkLine = 256;        // size, extensions and line end of a chunk

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::string_view HttpMessage::Get(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoreCase(key, name)) return value;
  }
  return {};
}

// The buffer holds, one after the other: bytes that are done with, the current message's headers,
// its body as far as it is read, a gap where chunk sizes stood, and what was not looked at yet.
struct HttpReader::Parser {
  Parser(Kind kind, HttpLimits limits) : kind(kind), limits(limits) {}

  const Kind kind;
  const HttpLimits limits;

  std::unique_ptr<char[]> buffer;
  size_t capacity = 0;
  size_t begin = 0;   // of the current message
  size_t parsed = 0;  // what is behind was not looked at
  size_t end = 0;
  size_t searched = 0;  // up to here there is no line feed alone

  enum Phase { kHead, kLength, kChunkSize, kChunkBytes, kChunkEnd, kTrailer, kUntilEnd };
  Phase phase = kHead;
  std::optional<HeadParser<true>> request;
  std::optional<HeadParser<false>> response;
  Head head;
  size_t head_size = 0;
  size_t body_size = 0;
  size_t chunk_left = 0;
  size_t trailer_size = 0;
  bool expectation = false;

  bool whole = false;  // `message` was handed out
  HttpMessage message;
  absl::Status failed;
  int refusal = 0;

  std::string_view Rest() const { return {buffer.get() + parsed, end - parsed}; }
  size_t BodyEnd() const { return begin + head_size + body_size; }

  absl::Status Refuse(int status, std::string_view why) {
    refusal = status;
    const std::string text =
        fmt::format("no HTTP {}: {}", kind == kRequests ? "request" : "response", why);
    failed = status == 413 || status == 431 ? absl::ResourceExhaustedError(text)
                                            : absl::InvalidArgumentError(text);
    return failed;
  }
  absl::Status HeadersTooLong() {
    return Refuse(431, fmt::format("headers of more than {} bytes", limits.header_bytes));
  }
  absl::Status BareLineFeed() { return Refuse(400, "a line that does not end in CRLF"); }
  absl::Status BodyTooLong() {
    return Refuse(413, fmt::format("a body of more than {} bytes", limits.body_bytes));
  }

  // Forgets the message that was handed out.
  void Release() {
    whole = false;
    begin = searched = parsed;
    phase = kHead;
    request.reset();
    response.reset();
    head.Clear();
    head_size = body_size = chunk_left = trailer_size = 0;
    expectation = false;
  }

  void MakeRoom(size_t size);

  // Each reads on; true when its phase is over, false when it needs more bytes.
  absl::StatusOr<bool> ReadHead();
  absl::StatusOr<bool> ReadLength();
  absl::StatusOr<bool> ReadChunkSize();
  absl::StatusOr<bool> ReadChunkBytes();
  absl::StatusOr<bool> ReadChunkEnd();
  absl::StatusOr<bool> ReadTrailer();
  absl::StatusOr<bool> ReadUntilEnd();
  absl::StatusOr<bool> ReadPhase();

  absl::Status WhyNot(const ErrorCode& error);
  absl::StatusOr<bool> Framing();
  bool HasBareLineFeed();
  bool HasNoBody() const {
    return kind == kResponses &&
           (head.status / 100 == 1 || head.status == 204 || head.status == 304);
  }
  bool KeepsAlive() const {
    return head.version == 11 &&
           (kind == kRequests ? request->keep_alive() : response->keep_alive());
  }

  // A line up to its CRLF, which `parsed` passes; none: it is not whole yet.
  absl::StatusOr<std::optional<std::string_view>> TakeLine(size_t most);

  const HttpMessage* Finish();
};

void HttpReader::Parser::MakeRoom(size_t size) {
  if (whole) Release();
  if (begin == end) {
    begin = parsed = searched = end = 0;
    if (capacity > kKeptBuffer && size <= kKeptBuffer) {
      buffer.reset();
      capacity = 0;
    }
  }
  if (phase != kHead && BodyEnd() < parsed) {  // the gap between chunks
    std::memmove(buffer.get() + BodyEnd(), buffer.get() + parsed, end - parsed);
    end -= parsed - BodyEnd();
    parsed = BodyEnd();
  }
  if (capacity - end >= size) return;
  const size_t used = end - begin;
  if (capacity - used >= size) {
    std::memmove(buffer.get(), buffer.get() + begin, used);
  } else {
    const size_t larger = std::max({kFirstBuffer, used + size, capacity * 2});
    std::unique_ptr<char[]> moved(new char[larger]);
    if (used > 0) std::memcpy(moved.get(), buffer.get() + begin, used);
    buffer = std::move(moved);
    capacity = larger;
  }
  parsed -= begin;
  searched -= std::min(searched, begin);
  begin = 0;
  end = used;
}

absl::Status HttpReader::Parser::WhyNot(const ErrorCode& error) {
  if (!head.problem.empty()) return Refuse(head.refusal, head.problem);
  if (error == http::error::header_limit) return HeadersTooLong();
  if (error == http::error::body_limit) return BodyTooLong();
  if (error == http::error::bad_version) {
    std::string_view line(buffer.get() + begin, end - begin);
    line = line.substr(0, line.find('\n'));
    if (!line.ends_with('\r')) return BareLineFeed();
    if (line.find(kind == kRequests ? " HTTP/" : "HTTP/") != line.npos)
      return Refuse(505, "a version that is neither 1.0 nor 1.1");
  }
  return Refuse(400, error.message());
}

absl::StatusOr<bool> HttpReader::Parser::ReadHead() {
  if (Rest().empty()) return false;
  const char* start = buffer.get() + begin;
  ErrorCode error;
  if (kind == kRequests) {
    if (!request.has_value()) request.emplace(head, limits);
    parsed += request->Put(start, Rest(), error);
  } else {
    if (!response.has_value()) response.emplace(head, limits);
    parsed += response->Put(start, Rest(), error);
  }
  const bool more = error == http::error::need_more;
  if (error && !more) return WhyNot(error);
  if ((more ? end : parsed) - begin > limits.header_bytes) return HeadersTooLong();
  if (more) return HasBareLineFeed() ? absl::StatusOr<bool>(BareLineFeed()) : false;
  head_size = parsed - begin;
  return Framing();
}

// Beast waits for the end of the headers before it looks at such lines.
bool HttpReader::Parser::HasBareLineFeed() {
  for (; searched < end; ++searched) {
    const void* feed = std::memchr(buffer.get() + searched, '\n', end - searched);
    if (feed == nullptr) break;
    searched = static_cast<size_t>(static_cast<const char*>(feed) - buffer.get());
    if (searched == begin || buffer[searched - 1] != '\r') return true;
  }
  searched = end;
  return false;
}

// How the body goes on after these headers.
absl::StatusOr<bool> HttpReader::Parser::Framing() {
  if (HasNoBody()) {
    head.length = 0;
    head.chunked = false;
  }
  if (head.length.value_or(0) > limits.body_bytes) return BodyTooLong();
  if (head.chunked) {
    phase = kChunkSize;
  } else if (kind == kRequests || head.length.has_value()) {
    phase = kLength;
  } else {
    phase = kUntilEnd;
  }
  expectation = kind == kRequests && head.version == 11 && head.expects_continue &&
                (head.chunked || head.length.value_or(0) > 0);
  return true;
}

absl::StatusOr<bool> HttpReader::Parser::ReadLength() {
  const size_t length = head.length.value_or(0);
  if (Rest().size() < length) return false;
  body_size = length;
  parsed += length;
  whole = true;
  return true;
}

absl::StatusOr<std::optional<std::string_view>> HttpReader::Parser::TakeLine(size_t most) {
  const std::string_view rest = Rest();
  const size_t feed = rest.find('\n');
  if (std::min(feed, rest.size()) > most) return Refuse(400, "a line in its body that is too long");
  if (feed == rest.npos) return std::nullopt;
  if (feed == 0 || rest[feed - 1] != '\r') return BareLineFeed();
  parsed += feed + 1;
  const std::string_view line = rest.substr(0, feed - 1);
  if (!IsHeaderValue(line)) return Refuse(400, "a control character in its body's lines");
  return line;
}

absl::StatusOr<bool> HttpReader::Parser::ReadChunkSize() {
  const auto line = TakeLine(kChunkLine);
  if (!line.ok()) return line.status();
  if (!line->has_value()) return false;
  size_t digits = 0;
  uint64_t size = 0;
  for (; digits < (*line)->size() && HexDigit((**line)[digits]) >= 0; ++digits) {
    if (digits == 16) return Refuse(400, "a chunk size of more than 16 digits");
    size = size << 4 | static_cast<uint64_t>(HexDigit((**line)[digits]));
  }
  const bool ends = digits == (*line)->size() || (**line)[digits] == ';';  // extensions are ignored
  if (digits == 0 || !ends) return Refuse(400, "a chunk size that is no number");
  if (size > limits.body_bytes - body_size) return BodyTooLong();
  chunk_left = size;
  phase = size == 0 ? kTrailer : kChunkBytes;
  return true;
}

absl::StatusOr<bool> HttpReader::Parser::ReadChunkBytes() {
  const size_t taken = std::min(chunk_left, Rest().size());
  if (parsed != BodyEnd()) std::memmove(buffer.get() + BodyEnd(), buffer.get() + parsed, taken);
  body_size += taken;
  parsed += taken;
  chunk_left -= taken;
  if (chunk_left > 0) return false;
  phase = kChunkEnd;
  return true;
}

absl::StatusOr<bool> HttpReader::Parser::ReadChunkEnd() {
  const std::string_view rest = Rest();
  constexpr std::string_view kLineEnd = "\r\n";
  if (!kLineEnd.starts_with(rest.substr(0, 2)))
    return Refuse(400, "a chunk that is longer than its size");
  if (rest.size() < 2) return false;
  parsed += 2;
  phase = kChunkSize;
  return true;
}

// Headers behind the body are of no use here: checked and dropped.
absl::StatusOr<bool> HttpReader::Parser::ReadTrailer() {
  const size_t before = parsed;
  const auto line = TakeLine(limits.header_bytes - trailer_size);
  if (!line.ok()) return line.status();
  if (!line->has_value()) return false;
  if ((*line)->empty()) {
    whole = true;
    return true;
  }
  trailer_size += parsed - before;
  if (trailer_size > limits.header_bytes) return HeadersTooLong();
  const size_t colon = (*line)->find(':');
  if (colon == (*line)->npos || !IsHeaderName((*line)->substr(0, colon)))
    return Refuse(400, "a trailer that is no header");
  return true;
}

absl::StatusOr<bool> HttpReader::Parser::ReadUntilEnd() {
  body_size += Rest().size();
  parsed = end;
  if (body_size > limits.body_bytes) return BodyTooLong();
  return false;
}

absl::StatusOr<bool> HttpReader::Parser::ReadPhase() {
  switch (phase) {
    case kHead:
      return ReadHead();
    case kLength:
      return ReadLength();
    case kChunkSize:
      return ReadChunkSize();
    case kChunkBytes:
      return ReadChunkBytes();
    case kChunkEnd:
      return ReadChunkEnd();
    case kTrailer:
      return ReadTrailer();
    case kUntilEnd:
      return ReadUntilEnd();
  }
  return false;
}

const HttpMessage* HttpReader::Parser::Finish() {
  whole = true;
  const char* start = buffer.get() + begin;
  const auto view = [&](Slice slice) { return std::string_view(start + slice.offset, slice.size); };
  message.method = view(head.method);
  message.target = view(head.target);
  message.status = head.status;
  message.keep_alive = KeepsAlive();
  message.headers.clear();
  for (const auto& [name, value] : head.fields)
    message.headers.emplace_back(view(name), view(value));
  message.body = {start + head_size, body_size};
  return &message;
}

HttpReader::HttpReader(Kind kind, HttpLimits limits)
    : parser_(std::make_unique<Parser>(kind, limits)) {}
HttpReader::~HttpReader() = default;

char* HttpReader::Space(size_t size) {
  parser_->MakeRoom(size);
  return parser_->buffer.get() + parser_->end;
}

size_t HttpReader::SpaceLeft() const { return parser_->capacity - parser_->end; }

size_t HttpReader::BufferSize() const { return parser_->capacity; }

void HttpReader::Commit(size_t count) { parser_->end += count; }

absl::StatusOr<const HttpMessage*> HttpReader::Next() {
  Parser& parser = *parser_;
  if (!parser.failed.ok()) return parser.failed;
  if (parser.whole) parser.Release();
  while (true) {
    const absl::StatusOr<bool> done = parser.ReadPhase();
    if (!done.ok()) return done.status();
    if (!*done) return nullptr;
    if (!parser.whole) continue;
    if (parser.kind == kRequests || parser.head.status >= 200) return parser.Finish();
    if (parser.head.status == 101) return parser.Refuse(400, "it changes the protocol");
    parser.Release();
  }
}

absl::StatusOr<const HttpMessage*> HttpReader::End() {
  Parser& parser = *parser_;
  if (!parser.failed.ok()) return parser.failed;
  if (!InMessage()) return nullptr;
  if (!parser.whole && parser.phase == Parser::kUntilEnd) return parser.Finish();
  return absl::UnavailableError("the connection ended inside a message");
}

int HttpReader::refusal() const { return parser_->refusal; }

bool HttpReader::TakeExpectation() {
  return InBody() && std::exchange(parser_->expectation, false);
}

bool HttpReader::InMessage() const {
  return parser_->end > (parser_->whole ? parser_->parsed : parser_->begin);
}

bool HttpReader::InBody() const { return !parser_->whole && parser_->phase != Parser::kHead; }

bool IsHeaderName(std::string_view name) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && kMarks.find(c) == kMarks.npos) return false;
  }
  return !name.empty();
}

bool IsHeaderValue(std::string_view value) {
  for (const char c : value) {
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) return false;
  }
  return true;
}

}  // namespace micro::rpc
