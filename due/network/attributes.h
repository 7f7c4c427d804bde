// Attributes are what a program keeps with a connection, by name.
#pragma once

#include <any>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/mutex.h"

namespace due {

// All of it from any thread. Mirrors due's Attr.
class Attributes {
 public:
  // In place of what the name had.
  void Set(std::string_view name, std::any value);

  // A copy of the value; an empty one where there is none.
  std::any Get(std::string_view name) const;

  // False: there was none.
  bool Del(std::string_view name);

  // Calls `each` for a copy of all, until it says false.
  void Visit(const std::function<bool(std::string_view name, const std::any& value)>& each) const;

 private:
  using Entry = std::pair<std::string, std::any>;
  mutable micro::Mutex mutex_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace due
