#include "due/locate/location_cache.h"

#include <iterator>

#include "absl/hash/hash.h"

namespace due {

using micro::MutexLock;

LocationCache::Part& LocationCache::PartOf(int64_t uid) {
  return parts_[absl::Hash<int64_t>()(uid) % kParts];
}

std::optional<std::string> LocationCache::Find(int64_t uid, std::string_view name) {
  Part& part = PartOf(uid);
  const Key key(uid, name);
  MutexLock lock(part.mutex);
  const auto known = part.by_key.find(key);
  if (known == part.by_key.end()) return std::nullopt;
  part.places.splice(part.places.begin(), part.places, known->second);
  return known->second->id;
}

LocationCache::Moment LocationCache::Now(int64_t uid) {
  Part& part = PartOf(uid);
  MutexLock lock(part.mutex);
  return part.changes;
}

void LocationCache::Fill(int64_t uid, std::string_view name, const std::string& id, Moment asked) {
  Part& part = PartOf(uid);
  MutexLock lock(part.mutex);
  if (part.changes == asked) Put(part, Key(uid, name), id, /*add=*/true);
}

void LocationCache::Set(int64_t uid, std::string_view name, const std::string& id, bool add) {
  Part& part = PartOf(uid);
  MutexLock lock(part.mutex);
  ++part.changes;
  Put(part, Key(uid, name), id, add);
}

void LocationCache::Erase(int64_t uid, std::string_view name, const std::string& id) {
  Part& part = PartOf(uid);
  MutexLock lock(part.mutex);
  ++part.changes;
  const auto known = part.by_key.find(Key(uid, name));
  if (known == part.by_key.end() || known->second->id != id) return;
  part.places.erase(known->second);
  part.by_key.erase(known);
}

void LocationCache::Clear() {
  for (Part& part : parts_) {
    MutexLock lock(part.mutex);
    ++part.changes;
    part.by_key.clear();
    part.places.clear();
  }
}

size_t LocationCache::size() {
  size_t size = 0;
  for (Part& part : parts_) {
    MutexLock lock(part.mutex);
    size += part.places.size();
  }
  return size;
}

void LocationCache::Put(Part& part, Key key, const std::string& id, bool add) {
  if (const auto known = part.by_key.find(key); known != part.by_key.end()) {
    known->second->id = id;
    part.places.splice(part.places.begin(), part.places, known->second);
    return;
  }
  if (!add) return;
  if (part.places.size() >= part_capacity_) {
    part.by_key.erase(part.places.back().key);
    part.places.pop_back();
  }
  part.places.push_front({key, id});
  part.by_key.emplace(std::move(key), part.places.begin());
}

}  // namespace due
