// The strategy "hash": calls with the same value of one metadata key (--selector_hash_key, else
// "Micro-Hash-Key") go to the same node, in every process, and when nodes come or go only theirs
// move. A node that has more than 1.25 × its share of the calls in flight (and 8 or more) passes calls
// on to the next one ("consistent hashing with bounded loads"). Calls without the key go anywhere.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/lane.h"
#include "core/plugin_table.h"
#include "core/random.h"
#include "selector/stable_hash.h"
#include "selector/strategy.h"

namespace micro::selector {
namespace {

constexpr std::string_view kDefaultKey = "Micro-Hash-Key";
constexpr double kMostLoad = 1.25;
constexpr int64_t kAlwaysTaken = 8;  // calls in flight: with few of them, shares mean nothing

class HashPicker final : public Picker {
 public:
  HashPicker(const Candidates& candidates, const std::string& key)
      : candidates_(candidates), key_(key) {
    // Enough points that shares differ little, few enough that a thousand nodes are quick to place.
    const size_t points = std::clamp<size_t>(20'000 / candidates.size(), 20, 160);
    for (size_t i = 0; i < candidates.size(); ++i) {
      for (size_t point = 0; point < points; ++point)
        ring_.push_back(
            {StableHash(candidates[i].state->node.id, point + 1), static_cast<uint32_t>(i)});
    }
    std::sort(ring_.begin(), ring_.end());
  }

  size_t Choose(const CallInfo& call) override {
    const std::optional<std::string_view> value =
        call.metadata == nullptr ? std::nullopt : call.metadata->Get(key_);
    if (!value.has_value()) return RandomBelow(candidates_.size());
    auto point = std::lower_bound(ring_.begin(), ring_.end(), Point{StableHash(*value), 0});
    const int64_t most = MostInFlight();
    for (size_t tried = 0; tried < candidates_.size(); ++tried) {
      if (point == ring_.end()) point = ring_.begin();
      if (candidates_[point->node].state->in_flight() < most) return point->node;
      const uint32_t full = point->node;
      while (point->node == full && candidates_.size() > 1) {
        if (++point == ring_.end()) point = ring_.begin();
      }
    }
    return point->node;
  }

 private:
  struct Point {
    uint64_t at;
    uint32_t node;
    auto operator<=>(const Point&) const = default;
  };

  // That a node may have before this call goes to the next. What all nodes have is counted anew
  // every so often: it changes little from call to call.
  int64_t MostInFlight() {
    constexpr uint64_t kCountedOneIn = 32;
    if (choices_[ThisLane()].count.fetch_add(1, std::memory_order_relaxed) % kCountedOneIn == 0) {
      int64_t running = 0;
      for (const Candidate& candidate : candidates_) running += candidate.state->in_flight();
      const double share =
          static_cast<double>(running + 1) / static_cast<double>(candidates_.size());
      most_.store(std::max(static_cast<int64_t>(std::ceil(kMostLoad * share)), kAlwaysTaken),
                  std::memory_order_relaxed);
    }
    return most_.load(std::memory_order_relaxed);
  }

  struct alignas(kCacheLine) Choices {
    std::atomic<uint64_t> count = 0;
  };
  const Candidates& candidates_;
  const std::string& key_;
  std::vector<Point> ring_;
  std::atomic<int64_t> most_ = kAlwaysTaken;
  Choices choices_[kLanes];
};

class HashStrategy final : public Strategy {
 public:
  explicit HashStrategy(std::string key) : key_(std::move(key)) {}
  std::string_view name() const override { return "hash"; }
  std::unique_ptr<Picker> NewPicker(const Candidates& candidates) override {
    return std::make_unique<HashPicker>(candidates, key_);
  }

 private:
  const std::string key_;
};

MICRO_PLUGIN(Strategy, "hash", [](const Strategy::PluginOptions& options) {
  return std::make_unique<HashStrategy>(options.hash_key.empty() ? std::string(kDefaultKey)
                                                                 : options.hash_key);
});

}  // namespace
}  // namespace micro::selector
