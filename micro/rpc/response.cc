#include "micro/rpc/response.h"

#include <charconv>

#include "core/errors.h"

namespace micro::rpc {
namespace {

constexpr size_t kMostError = 16 << 10;

void AppendHeader(std::string_view name, std::string_view value, std::string& out) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void AppendBody(std::string_view body, std::string& out) {
  char digits[20];
  const char* end = std::to_chars(digits, digits + sizeof(digits), body.size()).ptr;
  AppendHeader("Content-Length", {digits, static_cast<size_t>(end - digits)}, out);
  out.append("\r\n").append(body);
}

std::string OneLine(std::string_view text) {
  std::string line(text.substr(0, kMostError));
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return line;
}

}  // namespace

void AppendResponse(std::string_view echo, std::string_view content_type, std::string_view body,
                    std::string& out) {
  out.append(kStatusLine).append(echo);
  AppendHeader("Content-Type", content_type, out);
  AppendBody(body, out);
}

void AppendError(std::string_view echo, std::string_view content_type, std::string_view error,
                 std::string_view body, std::string& out) {
  const std::string line = OneLine(error);
  out.append(kStatusLine).append(echo);
  AppendHeader("Content-Type", content_type, out);
  AppendHeader("Micro-Error", line, out);
  AppendHeader("X-Micro-Error", line, out);
  AppendBody(body, out);
}

void AppendRefusal(int status, std::string_view why, std::string& out) {
  out.append("HTTP/1.1 ").append(std::to_string(status)).append(" ");
  out.append(errors::HttpPhrase(status)).append("\r\nConnection: close\r\n");
  AppendHeader("Content-Type", "text/plain; charset=utf-8", out);
  AppendBody(std::string(why) + "\n", out);
}

}  // namespace micro::rpc
