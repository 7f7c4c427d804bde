// CrowdCounts is what has become of the requests of a crowd of players.
//
//   counts.Add(CrowdCounts::kSent);
//   counts.Answered(took);
//   counts.Line()        // "sent=… answered=… … longest_gap_ms=…": from the beginning on
//   counts.LineSince()   // the same since the last LineSince
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace interop {

// Any thread; each of the lines is for one.
class CrowdCounts {
 public:
  // In the order of the line.
  enum What {
    kSent,
    kAnswered,         // in time
    kLostEcho,         // not in time
    kLostStateful,     // likewise
    kWrong,            // packets that are no answer to what this player has asked
    kConnectionsLost,  // of players, not by their doing
    kLoginsAgain,      // route 2 answered, but for each player's first
    kRebound,          // route 10 likewise
  };
  static constexpr size_t kWhats = 8;

  void Add(What what, int64_t count = 1);

  // One more answer.
  void Answered(absl::Duration took);

  // A player was without an answer for so long.
  void Gap(absl::Duration gap);

  int64_t Of(What what) const { return all_.counts[what]; }

  std::string Line() const;
  std::string LineSince();

 private:
  // Of microseconds: each bucket is at most 1/32 wide of what is in it.
  static constexpr size_t kBuckets = 1024;

  struct Tally {
    std::array<std::atomic<int64_t>, kWhats> counts = {};
    std::array<std::atomic<int64_t>, kBuckets> took = {};
    std::atomic<int64_t> gap_ms = 0;
  };
  struct Numbers {
    std::array<int64_t, kWhats> counts = {};
    std::array<int64_t, kBuckets> took = {};
    int64_t gap_ms = 0;
  };

  static std::string ToText(const Numbers& numbers);

  Tally all_, since_;
};

}  // namespace interop
