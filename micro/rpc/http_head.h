// Boost.Beast's parser reads the first line and the headers of a message, which it hands over one by
// one; what they mean for the body is made out here. For http_message.cc alone.
#pragma once

#include <fmt/format.h>

#include <boost/beast/http/basic_parser.hpp>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>  // Boost 1.74 needs it before its own headers
#include <vector>

#include "core/strings.h"
#include "micro/rpc/http_message.h"

namespace micro::rpc {

using BeastView = boost::beast::string_view;
using ErrorCode = boost::system::error_code;

inline std::string_view View(BeastView text) { return {text.data(), text.size()}; }

// A text in a buffer that may move.
struct Slice {
  uint32_t offset = 0;
  uint32_t size = 0;
};

// What the headers of one message say.
struct Head {
  Slice method = {}, target = {};
  int status = 0;
  int version = 0;
  std::vector<std::pair<Slice, Slice>> fields = {};
  std::optional<uint64_t> length = {};
  bool chunked = false;
  bool host = false;
  bool expects_continue = false;
  // Why it is refused, where Beast does not say it.
  std::string problem = {};
  int refusal = 0;

  void Clear() {
    fields.clear();
    *this = Head{.fields = std::move(fields)};
  }
};

// Beast's parser of one header.
template <bool kRequest>
class HeadParser final : public boost::beast::http::basic_parser<kRequest> {
 public:
  HeadParser(Head& head, const HttpLimits& limits) : head_(head), most_fields_(limits.headers) {
    this->header_limit(static_cast<uint32_t>(limits.header_bytes));
    this->body_limit(limits.body_bytes);
  }

  // Reads on at `bytes`, a part of the message that begins at `begin`; how much of it is done.
  size_t Put(const char* begin, std::string_view bytes, ErrorCode& error) {
    begin_ = begin;
    return this->put({bytes.data(), bytes.size()}, error);
  }

 private:
  void on_request_impl(boost::beast::http::verb, BeastView method, BeastView target, int version,
                       ErrorCode&) override {
    head_.method = SliceOf(method);
    head_.target = SliceOf(target);
    head_.version = version;
  }
  void on_response_impl(int status, BeastView, int version, ErrorCode& error) override {
    head_.status = status;
    head_.version = version;
    if (status < 100) Refuse(400, "a status below 100", error);
  }

  void on_field_impl(boost::beast::http::field field, BeastView name, BeastView value,
                     ErrorCode& error) override {
    if (head_.fields.size() == most_fields_)
      return Refuse(431, fmt::format("more than {} headers", most_fields_), error);
    if (IsFolded(name, value)) return Refuse(400, "a header that goes on in a second line", error);
    head_.fields.emplace_back(SliceOf(name), SliceOf(value));
    switch (field) {
      case boost::beast::http::field::content_length:
        return Length(View(value), error);
      case boost::beast::http::field::transfer_encoding:
        return Encoding(View(value), error);
      case boost::beast::http::field::host:
        if (std::exchange(head_.host, true)) Refuse(400, "two Host headers", error);
        return;
      case boost::beast::http::field::expect:
        head_.expects_continue = EqualsIgnoreCase(View(value), "100-continue");
        return;
      default:
        return;
    }
  }

  // Beast takes lists of equal lengths, and equal lengths in two headers; not everybody does.
  void Length(std::string_view value, ErrorCode& error) {
    if (head_.length.has_value() || value.find(',') != value.npos)
      return Refuse(400, "more than one Content-Length", error);
    uint64_t length = 0;  // Beast has seen that it is a number that fits
    for (const char digit : value) length = length * 10 + static_cast<uint64_t>(digit - '0');
    head_.length = length;
  }

  void Encoding(std::string_view value, ErrorCode& error) {
    if (head_.version < 11) return Refuse(400, "Transfer-Encoding in HTTP/1.0", error);
    if (!EqualsIgnoreCase(value, "chunked"))
      return Refuse(501, "a Transfer-Encoding that is not chunked", error);
    head_.chunked = true;
  }

  // Beast unfolds a value of several lines, in a buffer of its own unless one line alone has text.
  bool IsFolded(BeastView name, BeastView value) const {
    const char* between = name.data() + name.size();
    if (value.data() < between) return true;
    if (static_cast<size_t>(value.data() - begin_) > UINT32_MAX) return true;
    return std::memchr(between, '\r', static_cast<size_t>(value.data() - between)) != nullptr;
  }

  void Refuse(int status, std::string problem, ErrorCode& error) {
    head_.refusal = status;
    head_.problem = std::move(problem);
    error = boost::beast::http::error::bad_value;
  }

  Slice SliceOf(BeastView text) const {
    return {.offset = static_cast<uint32_t>(text.data() - begin_),
            .size = static_cast<uint32_t>(text.size())};
  }

  // The bodies are ours.
  void on_header_impl(ErrorCode&) override {}
  void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
  size_t on_body_impl(BeastView, ErrorCode&) override { return 0; }
  void on_chunk_header_impl(std::uint64_t, BeastView, ErrorCode&) override {}
  size_t on_chunk_body_impl(std::uint64_t, BeastView, ErrorCode&) override { return 0; }
  void on_finish_impl(ErrorCode&) override {}

  Head& head_;
  const size_t most_fields_;
  const char* begin_ = nullptr;
};

}  // namespace micro::rpc
