#include "due/session/sessions.h"

#include <fmt/format.h>

#include <functional>
#include <set>
#include <utility>

namespace due {

// A connection and what it has. Its lock is taken before a shard's; no two entries are locked at once.
struct Sessions::Entry {
  explicit Entry(ConnPtr of) : conn(std::move(of)) {}

  const ConnPtr conn;
  micro::Mutex mutex;
  bool is_gone ABSL_GUARDED_BY(mutex) = false;
  int64_t uid ABSL_GUARDED_BY(mutex) = 0;
  uint64_t epoch ABSL_GUARDED_BY(mutex) = 0;
  std::set<std::string, std::less<>> channels ABSL_GUARDED_BY(mutex);
};

namespace {

// The shard that a key belongs to.
template <class Shards, class Key>
auto& Of(Shards& shards, const Key& key) {
  return shards[std::hash<Key>()(key) % shards.size()];
}

}  // namespace

Sessions::Sessions() = default;
Sessions::~Sessions() = default;

void Sessions::Add(ConnPtr conn) {
  const int64_t cid = conn->id();
  auto& shard = Of(conns_, cid);
  micro::MutexLock lock(shard.mutex);
  if (shard.map.emplace(cid, std::make_shared<Entry>(std::move(conn))).second) ++conn_count_;
}

int64_t Sessions::Remove(int64_t cid) {
  EntryPtr entry;
  {
    auto& shard = Of(conns_, cid);
    micro::MutexLock lock(shard.mutex);
    const auto found = shard.map.find(cid);
    if (found == shard.map.end()) return 0;
    entry = std::move(found->second);
    shard.map.erase(found);
    --conn_count_;
  }
  micro::MutexLock lock(entry->mutex);
  entry->is_gone = true;
  for (const std::string& channel : std::exchange(entry->channels, {})) Leave(cid, channel);
  const int64_t uid = std::exchange(entry->uid, 0);
  return uid != 0 && EraseUser(uid, entry->epoch) ? uid : 0;
}

absl::StatusOr<Bound> Sessions::Bind(int64_t cid, int64_t uid) {
  if (cid < 1 || uid < 1) {
    return absl::InvalidArgumentError(
        fmt::format("invalid argument: connection {}, user {}", cid, uid));
  }
  const EntryPtr entry = FindEntry(SessionKind::kConn, cid);
  const auto not_found = [cid] {
    return absl::NotFoundError(fmt::format("not found session: connection {}", cid));
  };
  if (entry == nullptr) return not_found();
  Bound bound{.conn = entry->conn};
  EntryPtr before;
  {
    micro::MutexLock lock(entry->mutex);
    if (entry->is_gone) return not_found();
    if (entry->uid == uid) {
      bound.epoch = entry->epoch;
      return bound;
    }
    bound.is_new = true;
    {
      auto& shard = Of(users_, uid);
      micro::MutexLock shard_lock(shard.mutex);
      bound.epoch = ++epochs_;
      Binding& binding = shard.map[uid];
      before = std::exchange(binding.entry, entry);
      binding.epoch = bound.epoch;
      if (before == nullptr) ++user_count_;
    }
    bound.previous_uid = std::exchange(entry->uid, uid);
    bound.previous_epoch = std::exchange(entry->epoch, bound.epoch);
    if (bound.previous_uid != 0) EraseUser(bound.previous_uid, bound.previous_epoch);
    entry->conn->Bind(uid);
  }
  if (before == nullptr) return bound;
  // The user's old connection is nobody's now, unless it has become somebody's in the meantime.
  micro::MutexLock lock(before->mutex);
  if (before->uid == uid && before->epoch < bound.epoch) {
    before->uid = 0;
    before->conn->Unbind();
    if (!before->is_gone) bound.displaced = before->conn;
  }
  return bound;
}

bool Sessions::Unbind(int64_t uid, std::optional<uint64_t> epoch) {
  const EntryPtr entry = FindEntry(SessionKind::kUser, uid);
  if (entry == nullptr) return false;
  micro::MutexLock lock(entry->mutex);
  if (entry->uid != uid || (epoch.has_value() && entry->epoch != *epoch)) return false;
  if (!EraseUser(uid, entry->epoch)) return false;
  entry->uid = 0;
  entry->conn->Unbind();
  return true;
}

// False: the user has a newer binding, or none.
bool Sessions::EraseUser(int64_t uid, uint64_t epoch) {
  auto& shard = Of(users_, uid);
  micro::MutexLock lock(shard.mutex);
  const auto found = shard.map.find(uid);
  if (found == shard.map.end() || found->second.epoch != epoch) return false;
  shard.map.erase(found);
  --user_count_;
  return true;
}

Sessions::EntryPtr Sessions::FindEntry(SessionKind kind, int64_t target) const {
  if (kind == SessionKind::kConn) {
    const auto& shard = Of(conns_, target);
    micro::MutexLock lock(shard.mutex);
    const auto found = shard.map.find(target);
    return found == shard.map.end() ? nullptr : found->second;
  }
  const auto& shard = Of(users_, target);
  micro::MutexLock lock(shard.mutex);
  const auto found = shard.map.find(target);
  return found == shard.map.end() ? nullptr : found->second.entry;
}

ConnPtr Sessions::Find(SessionKind kind, int64_t target) const {
  const EntryPtr entry = FindEntry(kind, target);
  return entry == nullptr ? nullptr : entry->conn;
}

int64_t Sessions::Count(SessionKind kind) const {
  return kind == SessionKind::kConn ? conn_count_ : user_count_;
}

std::vector<ConnPtr> Sessions::All(SessionKind kind) const {
  std::vector<ConnPtr> all;
  all.reserve(static_cast<size_t>(Count(kind)));
  if (kind == SessionKind::kConn) {
    for (const auto& shard : conns_) {
      micro::MutexLock lock(shard.mutex);
      for (const auto& [cid, entry] : shard.map) all.push_back(entry->conn);
    }
  } else {
    for (const auto& shard : users_) {
      micro::MutexLock lock(shard.mutex);
      for (const auto& [uid, binding] : shard.map) all.push_back(binding.entry->conn);
    }
  }
  return all;
}

bool Sessions::Subscribe(SessionKind kind, int64_t target, std::string_view channel) {
  const EntryPtr entry = FindEntry(kind, target);
  if (entry == nullptr) return false;
  micro::MutexLock lock(entry->mutex);
  if (entry->is_gone) return false;
  const auto [name, is_new] = entry->channels.emplace(channel);
  if (!is_new) return true;
  auto& shard = Of(channels_, *name);
  micro::MutexLock shard_lock(shard.mutex);
  shard.map[*name].emplace(entry->conn->id(), entry->conn);
  return true;
}

bool Sessions::Unsubscribe(SessionKind kind, int64_t target, std::string_view channel) {
  const EntryPtr entry = FindEntry(kind, target);
  if (entry == nullptr) return false;
  micro::MutexLock lock(entry->mutex);
  const auto found = entry->channels.find(channel);
  if (found == entry->channels.end()) return true;
  Leave(entry->conn->id(), *found);
  entry->channels.erase(found);
  return true;
}

void Sessions::Leave(int64_t cid, const std::string& channel) {
  auto& shard = Of(channels_, channel);
  micro::MutexLock lock(shard.mutex);
  const auto found = shard.map.find(channel);
  if (found == shard.map.end()) return;
  found->second.erase(cid);
  if (found->second.empty()) shard.map.erase(found);
}

std::vector<ConnPtr> Sessions::Subscribers(std::string_view channel) const {
  const std::string name(channel);
  const auto& shard = Of(channels_, name);
  micro::MutexLock lock(shard.mutex);
  std::vector<ConnPtr> all;
  const auto found = shard.map.find(name);
  if (found == shard.map.end()) return all;
  all.reserve(found->second.size());
  for (const auto& [cid, conn] : found->second) all.push_back(conn);
  return all;
}

int64_t Sessions::channels() const {
  int64_t count = 0;
  for (const auto& shard : channels_) {
    micro::MutexLock lock(shard.mutex);
    count += static_cast<int64_t>(shard.map.size());
  }
  return count;
}

}  // namespace due
