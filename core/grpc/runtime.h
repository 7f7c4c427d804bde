// What gRPC needs once per process.
#pragma once

namespace micro {

// Called before any channel or server is made; does its work once. From any thread.
//
// It sends gRPC's log to ours, as debug lines: what matters of them comes back as errors of calls.
// And it keeps gRPC's callback threads until the process ends: gRPC 1.51 joins them when the last
// channel or server goes, and crashes when that happens on one of them, which is where coroutines
// are resumed.
void StartGrpc();

}  // namespace micro
