// Whether a server on this machine answers yet.
#pragma once

#include <string>
#include <string_view>

namespace micro::services {

// What the server on 127.0.0.1:`port` sends within two seconds after it got `request` ("": at
// once), until it closes, 64 KiB or `enough` was seen; empty when it cannot be connected to.
std::string Probe(int port, std::string_view request, std::string_view enough = {});

// Whether an HTTP GET of `path` is answered with 200 and a body that has `wanted` in it.
bool HttpHas(int port, std::string_view path, std::string_view wanted);

// Whether something listens there.
bool Accepts(int port);

}  // namespace micro::services
