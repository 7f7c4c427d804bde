// A Tracker counts the objects of its kind that live: how tests hold that nothing is freed twice,
// or never.
#pragma once

#include <cstdlib>

namespace micro {

class Tracker {
 public:
  struct Counts {
    int made = 0;  // by any constructor
    int freed = 0;
    int living() const { return made - freed; }
  };

  explicit Tracker(Counts& counts) : counts_(&counts) { ++counts_->made; }
  Tracker(const Tracker& other) : counts_(other.counts_) { ++counts_->made; }
  Tracker& operator=(const Tracker&) = delete;
  ~Tracker() {
    if (self_ != this) std::abort();  // freed twice, or moved by copying its bytes
    self_ = nullptr;
    ++counts_->freed;
  }

 private:
  Counts* counts_;
  const Tracker* self_ = this;
};

}  // namespace micro
