// What a selector knows of one node: the calls that run on it, how long they take, and whether it is
// left out. It stays as long as the node's id and address do, through all changes of discovery.
//
// Counts are kept in lanes (core/lane.h): a call writes to its thread's lane alone. Everything may
// be read from any thread; what is read is a moment old.
#pragma once

#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "core/lane.h"
#include "core/ticks.h"
#include "registry/registry.h"

namespace micro::selector {

class Health;

class NodeState {
 public:
  // What one lane's calls have shown.
  struct alignas(kCacheLine) Lane {
    std::atomic<int64_t> begun = 0, ended = 0;
    std::atomic<int64_t> abandoned = 0;   // of the ended ones: they say nothing of the node
    std::atomic<int64_t> latency_ns = 0;  // moving average; 0: no call has ended
    std::atomic<int64_t> measured = 0;    // calls in it
    std::atomic<Ticks> measured_at = 0;   // the last

    int64_t in_flight() const {
      return begun.load(std::memory_order_relaxed) - ended.load(std::memory_order_relaxed);
    }
  };

  // In the order that a node goes through them.
  enum Phase : int {
    kUsable,
    kEjected,  // gets no calls
    kOnTrial,  // gets the next call, to see
    kTried,    // that call is under way
  };

  explicit NodeState(registry::Node node, std::shared_ptr<Health> health = nullptr);
  NodeState(const NodeState&) = delete;
  NodeState& operator=(const NodeState&) = delete;

  const registry::Node node;
  const std::shared_ptr<Health> health;  // that watches over it; null: none does

  // Its share of calls among nodes of a strategy that heeds it, from the metadata `weight`: 1
  // without or with one that is no number from 0 to 1000.
  const double weight;

  int64_t in_flight() const;
  int64_t calls() const;           // ended, without those that were abandoned
  absl::Duration latency() const;  // moving average of calls, over all lanes; zero: none has ended

  Lane& lane(size_t index) { return lanes_[index]; }
  Lane& lane() { return lanes_[ThisLane()]; }

  // The average of a lane's calls, or of all where the lane has none yet; ns.
  int64_t LatencyNs(const Lane& lane) const {
    const int64_t own = lane.latency_ns.load(std::memory_order_relaxed);
    return own != 0 ? own : shared_latency_ns_.load(std::memory_order_relaxed);
  }

  // Takes the time of a call that has just ended into the averages.
  void Measure(Lane& lane, Ticks began, Ticks now);

  Phase phase() const { return phase_.load(std::memory_order_relaxed); }
  bool usable() const { return phase() == kUsable; }

  // kOnTrial → kTried: true for the one call that may try it.
  bool TakeTrial() {
    Phase on_trial = kOnTrial;
    return phase_.compare_exchange_strong(on_trial, kTried, std::memory_order_relaxed);
  }
  void set_phase(Phase phase) { phase_.store(phase, std::memory_order_relaxed); }

  // Whether something is remembered against it, so that a success is worth telling.
  bool suspected() const { return suspected_.load(std::memory_order_relaxed); }
  void set_suspected(bool suspected) { suspected_.store(suspected, std::memory_order_relaxed); }

  // Whether only its owner knows it and no call runs on it: nobody will come to know it any more.
  bool IsLeft() const {
    return references_.load(std::memory_order_acquire) == 1 && in_flight() == 0;
  }

 private:
  friend void intrusive_ptr_add_ref(const NodeState* state) {
    state->references_.fetch_add(1, std::memory_order_relaxed);
  }
  friend void intrusive_ptr_release(const NodeState* state) {
    if (state->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete state;
  }

  // Read by every choice, and hardly ever written.
  std::atomic<Phase> phase_ = kUsable;
  std::atomic<bool> suspected_ = false;
  const std::unique_ptr<Lane[]> lanes_ = std::make_unique<Lane[]>(kLanes);
  // Written often, and so kept away from those.
  alignas(kCacheLine) std::atomic<int64_t> shared_latency_ns_ = 0;
  mutable std::atomic<int> references_ = 0;
};

using NodeStatePtr = boost::intrusive_ptr<NodeState>;

// A node to choose from, with its version's record. Both live as long as the list that it is in.
struct Candidate {
  NodeState* state = nullptr;
  const registry::Service* service = nullptr;  // name, version, metadata, endpoints
};

using Candidates = std::vector<Candidate>;

}  // namespace micro::selector
