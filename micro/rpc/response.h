// The responses of a server, as bytes.
#pragma once

#include <string>
#include <string_view>

namespace micro::rpc {

// What every response begins with; headers that are added later go behind it.
inline constexpr std::string_view kStatusLine = "HTTP/1.1 200 OK\r\n";
inline constexpr std::string_view kEndOfStream = "EOS";
inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// `echo`: header lines of the request that come back.
void AppendResponse(std::string_view echo, std::string_view content_type, std::string_view body,
                    std::string& out);

// A response with Micro-Error and X-Micro-Error: a text of one line, what cannot stand in a header
// made blank and what is longer than 16 KiB cut.
void AppendError(std::string_view echo, std::string_view content_type, std::string_view error,
                 std::string_view body, std::string& out);

// The answer to what is no request, after which the connection ends.
void AppendRefusal(int status, std::string_view why, std::string& out);

}  // namespace micro::rpc
