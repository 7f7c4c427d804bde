// Memory for one asynchronous operation at a time, kept by the socket that runs it, so that an
// operation allocates nothing. Internal.
#pragma once

#include <cstddef>
#include <new>

namespace micro::net {

template <size_t kSize>
class HandlerMemory {
 public:
  HandlerMemory() = default;
  HandlerMemory(const HandlerMemory&) = delete;
  HandlerMemory& operator=(const HandlerMemory&) = delete;

  void* Take(size_t size) {
    if (taken_ || size > kSize) return ::operator new(size);
    taken_ = true;
    return block_;
  }

  void Give(void* memory) {
    if (memory == block_) {
      taken_ = false;
    } else {
      ::operator delete(memory);
    }
  }

 private:
  bool taken_ = false;
  alignas(std::max_align_t) std::byte block_[kSize];
};

// The allocator by which Asio finds it.
template <class T, size_t kSize>
class HandlerAllocator {
 public:
  using value_type = T;
  template <class Other>
  struct rebind {
    using other = HandlerAllocator<Other, kSize>;
  };

  explicit HandlerAllocator(HandlerMemory<kSize>& memory) : memory_(&memory) {}
  template <class Other>
  HandlerAllocator(const HandlerAllocator<Other, kSize>& other)  // NOLINT: implicit, as allocators
      : memory_(other.memory()) {}

  T* allocate(size_t count) { return static_cast<T*>(memory_->Take(sizeof(T) * count)); }
  void deallocate(T* object, size_t) { memory_->Give(object); }
  HandlerMemory<kSize>* memory() const { return memory_; }

  template <class Other>
  bool operator==(const HandlerAllocator<Other, kSize>& other) const {
    return memory_ == other.memory();
  }

 private:
  HandlerMemory<kSize>* memory_;
};

}  // namespace micro::net
