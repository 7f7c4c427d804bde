// A LocationCache remembers some of where users are: at most so many places, those that were asked
// for last.
//
// All methods may be called from any thread and take a few hundred nanoseconds: users are spread over
// parts with a lock each, which nobody holds for longer than one lookup or change (Clear: than the
// freeing of one part).
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "core/mutex.h"

namespace due {

class LocationCache {
 public:
  explicit LocationCache(size_t capacity) : part_capacity_(capacity / kParts + 1) {}

  // The id of the user's place of this name (gates have none); nothing: it is not remembered.
  std::optional<std::string> Find(int64_t uid, std::string_view name);

  // A place that was asked for elsewhere is remembered only if nothing was said of such users
  // meanwhile: take the Moment before asking.
  using Moment = uint64_t;
  Moment Now(int64_t uid);
  void Fill(int64_t uid, std::string_view name, const std::string& id, Moment asked);

  // The user is there now. Unless `add`, changes only what is remembered.
  void Set(int64_t uid, std::string_view name, const std::string& id, bool add);

  // The user is not there any more: forgets the place if it is this one.
  void Erase(int64_t uid, std::string_view name, const std::string& id);

  void Clear();
  size_t size();

 private:
  static constexpr size_t kParts = 64;
  using Key = std::pair<int64_t, std::string>;
  struct Place {
    Key key;
    std::string id;
  };
  struct Part {
    micro::Mutex mutex;
    Moment changes ABSL_GUARDED_BY(mutex) = 0;
    std::list<Place> places ABSL_GUARDED_BY(mutex);  // the latest first
    absl::flat_hash_map<Key, std::list<Place>::iterator> by_key ABSL_GUARDED_BY(mutex);
  };

  Part& PartOf(int64_t uid);
  void Put(Part& part, Key key, const std::string& id, bool add)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(part.mutex);

  const size_t part_capacity_;
  std::array<Part, kParts> parts_;
};

}  // namespace due
