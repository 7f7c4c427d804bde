// A Ring is a queue of small values in one piece of memory, which it has only as large as was needed
// and gives back when it is empty. Internal.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <memory>
#include <type_traits>

namespace due {

template <class T>
class Ring {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](size_t index) { return items_[(begin_ + index) & (capacity_ - 1)]; }
  T& front() { return (*this)[0]; }
  T& back() { return (*this)[size_ - 1]; }

  void push_back(const T& item) {
    if (size_ == capacity_) Grow(size_ + 1);
    ++size_;
    back() = item;
  }

  void pop_front() {
    begin_ = (begin_ + 1) & (capacity_ - 1);
    if (--size_ == 0 && capacity_ > kKept) {
      items_ = nullptr;
      capacity_ = begin_ = 0;
    }
  }

 private:
  static constexpr size_t kFirst = 8, kKept = 32;

  void Grow(size_t least) {
    const size_t capacity = std::max(kFirst, std::bit_ceil(least));
    auto items = std::make_unique_for_overwrite<T[]>(capacity);
    for (size_t i = 0; i < size_; ++i) items[i] = (*this)[i];
    items_ = std::move(items);
    capacity_ = capacity;
    begin_ = 0;
  }

  std::unique_ptr<T[]> items_;
  size_t capacity_ = 0, begin_ = 0, size_ = 0;
};

}  // namespace due
