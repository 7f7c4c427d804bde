#include "due/network/websocket_handshake.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <utility>  // Boost 1.74 needs it before its own headers

#include "absl/strings/escaping.h"
#include "core/random.h"
#include "core/strings.h"

namespace due {
namespace {

namespace http = boost::beast::http;
using BeastView = boost::beast::string_view;

std::string_view View(BeastView text) { return {text.data(), text.size()}; }
BeastView Beast(std::string_view text) { return {text.data(), text.size()}; }

// RFC 6455 §1.3.
std::string AcceptOf(std::string_view key) {
  const std::string text = fmt::format("{}258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha1(), nullptr);
  std::string accept;
  absl::Base64Escape(absl::string_view(reinterpret_cast<const char*>(digest), size), &accept);
  return accept;
}

bool IsKey(std::string_view key) {
  std::string bytes;
  return absl::Base64Unescape(micro::ToAbsl(key), &bytes) && bytes.size() == 16;
}

template <class Fields>
bool HasToken(const Fields& fields, http::field name, std::string_view token) {
  for (const auto& field : fields) {
    if (field.name() != name) continue;
    if (http::token_list(field.value()).exists(Beast(token))) return true;
  }
  return false;
}

UpgradeAnswer Refuse(int status, std::string_view reason, std::string_view why,
                     std::string_view header = "") {
  return {status, fmt::format("HTTP/1.1 {} {}\r\nConnection: close\r\nContent-Type: text/plain; "
                              "charset=utf-8\r\nContent-Length: {}\r\n{}\r\n{}\n",
                              status, reason, why.size() + 1, header, why)};
}

template <bool kIsRequest>
bool Parse(std::string_view head, http::parser<kIsRequest, http::empty_body>& parser) {
  parser.header_limit(kMostHead);
  parser.skip(true);  // whatever follows the head is not its body
  boost::system::error_code error;
  parser.put(boost::asio::const_buffer(head.data(), head.size()), error);
  return !error && parser.is_header_done();
}

bool IsOriginAllowed(const UpgradeRules& rules, std::string_view origin) {
  return std::ranges::any_of(rules.origins, [&](const std::string& allowed) {
    return allowed == "*" || allowed == origin;
  });
}

}  // namespace

std::string_view UpgradeRequest::Get(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (micro::EqualsIgnoreCase(key, name)) return value;
  }
  return {};
}

UpgradeAnswer AnswerTooLarge() {
  return Refuse(431, "Request Header Fields Too Large",
                fmt::format("more than {} bytes of headers", kMostHead));
}

UpgradeAnswer AnswerUpgrade(std::string_view head, std::string_view remote_address,
                            const UpgradeRules& rules) {
  const auto bad = [](std::string_view why) { return Refuse(400, "Bad Request", why); };
  http::request_parser<http::empty_body> parser;
  if (!Parse(head, parser)) return bad("this is no HTTP request");
  const auto& message = parser.get();
  if (message.method() != http::verb::get)
    return Refuse(405, "Method Not Allowed", "a WebSocket begins with GET", "Allow: GET\r\n");
  if (message.version() < 11) return bad("a WebSocket begins with HTTP/1.1");
  const std::string_view target = View(message.target());
  const std::string_view path = target.substr(0, target.find('?'));
  if (rules.path != "/" && path != rules.path)
    return Refuse(404, "Not Found", "there is nothing at this path");
  if (!HasToken(message, http::field::connection, "upgrade"))
    return bad("the header Connection does not say upgrade");
  if (!HasToken(message, http::field::upgrade, "websocket"))
    return bad("the header Upgrade does not say websocket");
  if (message[http::field::sec_websocket_version] != "13") {
    return Refuse(426, "Upgrade Required", "WebSocket's version must be 13",
                  "Sec-WebSocket-Version: 13\r\n");
  }
  if (message.count(http::field::sec_websocket_key) != 1 ||
      !IsKey(View(message[http::field::sec_websocket_key])))
    return bad("the header Sec-WebSocket-Key is no key");
  if (!IsOriginAllowed(rules, View(message[http::field::origin])))
    return Refuse(403, "Forbidden", "this origin may not connect");
  if (rules.on_upgrade != nullptr) {
    UpgradeRequest request{
        .path = std::string(path),
        .query = std::string(target.substr(std::min(path.size() + 1, target.size()))),
        .remote_address = std::string(remote_address)};
    for (const auto& field : message)
      request.headers.emplace_back(View(field.name_string()), View(field.value()));
    if (!rules.on_upgrade(request)) return Refuse(403, "Forbidden", "the server does not want it");
  }
  return {101, fmt::format("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
                           "Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
                           AcceptOf(View(message[http::field::sec_websocket_key])))};
}

std::string NewUpgradeKey() {
  std::string bytes;
  while (bytes.size() < 16) bytes += static_cast<char>(micro::RandomBelow(256));
  return absl::Base64Escape(bytes);
}

std::string UpgradeRequestText(std::string_view host, std::string_view target,
                               std::string_view key) {
  return fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: "
      "Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {}\r\n\r\n",
      target, host, key);
}

absl::Status CheckUpgradeAnswer(std::string_view head, std::string_view key) {
  http::response_parser<http::empty_body> parser;
  if (!Parse(head, parser)) return absl::UnavailableError("the answer is no HTTP");
  const auto& message = parser.get();
  if (message.result_int() != 101) {
    return absl::UnavailableError(
        fmt::format("the server answered {} {}", message.result_int(), View(message.reason())));
  }
  if (!HasToken(message, http::field::connection, "upgrade") ||
      !HasToken(message, http::field::upgrade, "websocket") ||
      View(message[http::field::sec_websocket_accept]) != AcceptOf(key))
    return absl::UnavailableError("the server's answer is none to this request");
  if (message.count(http::field::sec_websocket_extensions) > 0)
    return absl::UnavailableError("the server wants an extension that was not offered");
  return absl::OkStatus();
}

}  // namespace due
