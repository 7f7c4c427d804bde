#include "due/network/attributes.h"

#include <algorithm>

namespace due {

void Attributes::Set(std::string_view name, std::any value) {
  micro::MutexLock lock(mutex_);
  const auto found = std::ranges::find(entries_, name, &Entry::first);
  if (found != entries_.end()) {
    found->second.swap(value);  // what was there is freed outside of the lock
    return;
  }
  entries_.emplace_back(name, std::move(value));
}

std::any Attributes::Get(std::string_view name) const {
  micro::MutexLock lock(mutex_);
  const auto found = std::ranges::find(entries_, name, &Entry::first);
  return found == entries_.end() ? std::any() : found->second;
}

bool Attributes::Del(std::string_view name) {
  std::any value;
  micro::MutexLock lock(mutex_);
  const auto found = std::ranges::find(entries_, name, &Entry::first);
  if (found == entries_.end()) return false;
  value.swap(found->second);
  entries_.erase(found);
  return true;
}

void Attributes::Visit(
    const std::function<bool(std::string_view name, const std::any& value)>& each) const {
  std::vector<Entry> all;
  {
    micro::MutexLock lock(mutex_);
    all = entries_;
  }
  for (const auto& [name, value] : all) {
    if (!each(name, value)) return;
  }
}

}  // namespace due
