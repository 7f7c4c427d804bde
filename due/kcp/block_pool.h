// Blocks hold the bytes of segments that are under way; a BlockPool keeps those that are free for the
// connections of one loop. Internal. For one thread.
#pragma once

#include <cstdint>
#include <utility>

#include "due/kcp/segment.h"

namespace due {

struct Block {
  Block* next = nullptr;  // of those that are free
  uint16_t begin = 0, end = 0;
  char bytes[kMostPayload];

  uint16_t size() const { return static_cast<uint16_t>(end - begin); }
};

class BlockPool {
 public:
  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool() {
    while (free_ != nullptr) delete std::exchange(free_, free_->next);
  }

  Block* Take() {
    if (free_ == nullptr) return new Block;
    --free_count_;
    Block* const block = std::exchange(free_, free_->next);
    block->begin = block->end = 0;
    return block;
  }

  void Give(Block* block) {
    if (free_count_ == kMostFree) {
      delete block;
      return;
    }
    ++free_count_;
    block->next = std::exchange(free_, block);
  }

 private:
  static constexpr int kMostFree = 1024;
  Block* free_ = nullptr;
  int free_count_ = 0;
};

}  // namespace due
