// Eventually waits for what other threads are about to do, where there is nothing to wait on.
//
//   EXPECT_TRUE(Eventually([&] { return server_has_registered(); }));
#pragma once

#include <chrono>
#include <thread>

namespace micro {

// Asks until `condition` holds; false when it does not within a minute, which no healthy run needs.
template <class Condition>
bool Eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace micro
