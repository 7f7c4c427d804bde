// Plain sockets on loopback, for what benchmarks compare with. An error ends the process.
#pragma once

#include <cstddef>
#include <string_view>

namespace bench {

inline constexpr size_t kRead = 64 << 10;  // bytes that are read at once

[[noreturn]] void Fail(const char* what);

// Writes all, and waits for room.
void Send(int fd, std::string_view bytes);

// A connection that waits for nothing to fill its segments.
int Connect(int port);
void SetNoDelay(int fd);

// A listener on a free port, which is printed: `ready addr=127.0.0.1:PORT`.
int Listen();

// Whole packets at the front of a stream: how many bytes they are.
size_t WholePackets(std::string_view bytes);

}  // namespace bench
