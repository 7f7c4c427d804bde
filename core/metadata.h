// Metadata: the text pairs that travel with a call or a message, as headers of whatever wire
// carries it.
//
// A small flat list, in the order of setting. Keys are found without regard to case (HTTP
// canonicalises them, gRPC lowers them) and keep the case they were set with. A value type; not for
// several threads at once. Mirrors go-micro's metadata.Metadata.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"

namespace micro {

// The header names of go-micro.
namespace headers {
inline constexpr std::string_view kService = "Micro-Service";
inline constexpr std::string_view kEndpoint = "Micro-Endpoint";
inline constexpr std::string_view kMethod = "Micro-Method";
inline constexpr std::string_view kId = "Micro-ID";
inline constexpr std::string_view kStream = "Micro-Stream";
inline constexpr std::string_view kError = "Micro-Error";
inline constexpr std::string_view kTopic = "Micro-Topic";
inline constexpr std::string_view kProtocol = "Micro-Protocol";
inline constexpr std::string_view kTarget = "Micro-Target";
inline constexpr std::string_view kNamespace = "Micro-Namespace";
inline constexpr std::string_view kTraceId = "Micro-Trace-ID";
inline constexpr std::string_view kSpanId = "Micro-Span-ID";
inline constexpr std::string_view kContentType = "Content-Type";
inline constexpr std::string_view kAuthorization = "Authorization";
inline constexpr std::string_view kTimeout = "Timeout";  // nanoseconds, decimal
inline constexpr std::string_view kRemote = "Remote";  // host:port of the caller, set by the server
}  // namespace headers

class Metadata {
 public:
  using Pair = std::pair<std::string, std::string>;
  using value_type = Pair;
  using const_iterator = std::vector<Pair>::const_iterator;

  Metadata() = default;
  Metadata(std::initializer_list<Pair> pairs);

  // The value of `key`, if there is one.
  std::optional<std::string_view> Get(std::string_view key) const;

  // Sets one value, in place of any that the key had. An empty value deletes the key, as in
  // go-micro.
  void Set(std::string_view key, std::string_view value);

  // Adds a value that came off a wire: several values of one key are joined with ", ".
  void Append(std::string_view key, std::string_view value);

  void Delete(std::string_view key);

  // Takes over the pairs of `other`; a key that both have keeps its value unless `overwrite`.
  void Merge(const Metadata& other, bool overwrite = true);

  bool empty() const { return pairs_.empty(); }
  size_t size() const { return pairs_.size(); }
  void reserve(size_t pairs) { pairs_.reserve(pairs); }
  const_iterator begin() const { return pairs_.begin(); }
  const_iterator end() const { return pairs_.end(); }

  // Equal when they hold the same pairs in any order, keys compared without case.
  friend bool operator==(const Metadata& a, const Metadata& b);

 private:
  std::vector<Pair>::iterator Find(std::string_view key);

  std::vector<Pair> pairs_;
};

// Whether every wire can carry a pair as a header: a key of letters, digits, '-', '_' and '.', and a
// value of printable ASCII, or of any bytes under a key that ends in "-bin". INVALID_ARGUMENT names
// the key and what is wrong.
absl::Status CheckHeader(std::string_view key, std::string_view value);

// `key` as go-micro up to v5.10 shows it to a handler: the first letter of each word upper case,
// words parted by any ASCII character but letters, digits and '_'; "x-trace-id" becomes
// "X-Trace-Id", "foo_bar" becomes "Foo_bar".
std::string CanonicalKey(std::string_view key);

// Whether a pair that came in with a call goes out again with the calls made on its behalf: false
// for what describes one hop (lengths, encodings, connection, timeout, "Local", "Remote", pseudo
// headers, grpc-*, Micro-Topic, …).
bool IsForwarded(std::string_view key);

}  // namespace micro
