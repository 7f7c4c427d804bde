// The errors of a client's calls, as go-micro's client words them.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "micro/rpc/http_message.h"

namespace micro::rpc {

// Arose before anything was sent.
absl::Status Refused(const absl::Status& why);

// No connection to the node was made: no handler has seen the request (MarkUnsent).
absl::Status NotConnected(std::string_view node, const absl::Status& why);

// The node speaks something else, which begins with `bytes`; if it has never spoken HTTP on this
// connection, no handler has seen the request (MarkUnsent).
absl::Status NotHttp(std::string_view node, std::string_view bytes, bool never_has);

// The connection to the node broke, or its answer did: its handler may have run.
absl::Status Lost(std::string_view node, std::string_view why);
absl::Status BadAnswer(std::string_view node, const absl::Status& why);

// The context ended: CANCELLED or DEADLINE_EXCEEDED, 408.
absl::Status Ended(const absl::Status& why);

// The body of an answer is not what it should be.
absl::Status Unreadable(const absl::Status& why);

// The error text that an answer bears, "EOS" too; empty: it bears a body.
std::string_view ErrorText(const HttpMessage& answer);

// The error in such a text: the JSON of an error object, or plain words.
absl::Status ParseError(std::string_view text);

// What is wrong with an answer: its status, its error text, or its kind. OK: it bears a body.
absl::Status ErrorIn(const HttpMessage& answer, std::string_view node);

}  // namespace micro::rpc
