// go-micro's error object, carried in an absl::Status: where it happened, an HTTP-like code, a text
// and the code's phrase.
//
//   co_return errors::NotFound("helloworld", "no user %s", request.name());
//   ...
//   if (const auto error = errors::FromStatus(reply.status()); error.code == 404) ...
//
// Every absl::Status has such an object: FromStatus makes one from its code when it carries none.
// All functions may be called from any thread. Mirrors go-micro's errors package; the mappings are
// the ones of its gRPC server and client.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "core/strings.h"

namespace micro::errors {

struct Error {
  std::string id;      // the service, or "go.micro.client"
  int code = 0;        // an HTTP status code, or the application's own
  std::string detail;  // for people
  std::string status;  // the code's HTTP phrase

  friend bool operator==(const Error&, const Error&) = default;
};

// The id of errors that arise in the caller's own process.
inline constexpr std::string_view kClientId = "go.micro.client";

// A status with this object: its absl code follows from `code`, its message is `detail`. The phrase
// is filled in. A code of 200 would be OK and is made 500.
absl::Status New(std::string_view id, std::string_view detail, int code);
absl::Status ToStatus(Error error);

// The same under an absl code of its own, for where go-micro's code says less than is known.
absl::Status ToStatus(Error error, absl::StatusCode code);

// The error object of a failed status; of a status without one, {id, code by the absl code,
// message}.
Error FromStatus(const absl::Status& status, std::string_view id = kClientId);

// Whether the status carries an error object of its own.
bool HasError(const absl::Status& status);

// The text form that travels: {"id":"greeter","code":400,"detail":"bad name","status":"Bad
// Request"}, escaped as Go does, zero fields left out. Parse reads it back; any other text, and one
// of more than 64 KiB, becomes an error with that detail alone.
std::string ToJson(const Error& error);
Error Parse(std::string_view text);

// errors.Error as protobuf bytes (what is not UTF-8 becomes U+FFFD), and back (false: not such
// bytes).
std::string ToProto(const Error& error);
bool FromProto(std::string_view bytes, Error* error);

// Code mappings, both ways (go-micro's gRPC tables); a code outside the table is kUnknown, or 500.
absl::StatusCode ToStatusCode(int code);
int FromStatusCode(absl::StatusCode code);

// "Not Found" for 404; empty for a code HTTP does not know.
std::string_view HttpPhrase(int code);

// One line for logs and terminals: error id="helloworld" code=404 detail="no such user" status="Not
// Found".
std::string ToText(const absl::Status& status);

// One constructor per code: with a plain detail, in which % is safe, or with a format and arguments
// as absl::StrFormat's.
#define MICRO_ERROR_CONSTRUCTOR(Name, code)                                            \
  inline absl::Status Name(std::string_view id, std::string_view detail) {             \
    return New(id, detail, code);                                                      \
  }                                                                                    \
  template <class Arg, class... Args>                                                  \
  absl::Status Name(std::string_view id, const absl::FormatSpec<Arg, Args...>& format, \
                    const Arg& arg, const Args&... args) {                             \
    return New(id, absl::StrFormat(format, arg, args...), code);                       \
  }

MICRO_ERROR_CONSTRUCTOR(BadRequest, 400)
MICRO_ERROR_CONSTRUCTOR(Unauthorized, 401)
MICRO_ERROR_CONSTRUCTOR(Forbidden, 403)
MICRO_ERROR_CONSTRUCTOR(NotFound, 404)
MICRO_ERROR_CONSTRUCTOR(MethodNotAllowed, 405)
MICRO_ERROR_CONSTRUCTOR(Timeout, 408)
MICRO_ERROR_CONSTRUCTOR(Conflict, 409)
MICRO_ERROR_CONSTRUCTOR(TooManyRequests, 429)
MICRO_ERROR_CONSTRUCTOR(InternalServerError, 500)
MICRO_ERROR_CONSTRUCTOR(NotImplemented, 501)
MICRO_ERROR_CONSTRUCTOR(ServiceUnavailable, 503)
#undef MICRO_ERROR_CONSTRUCTOR

}  // namespace micro::errors
