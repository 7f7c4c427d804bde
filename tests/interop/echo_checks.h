// What a player asks of an echo server. due/player/checks.go asks the same, and what needs a hand in
// the bytes below.
#pragma once

#include <vector>

#include "tests/interop/player_check.h"

namespace interop {

const std::vector<PlayerCheck>& EchoChecks();

}  // namespace interop
