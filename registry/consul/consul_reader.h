// What this registry's services are called in Consul, and its answers in terms of them.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/mutex.h"
#include "registry/consul/consul_codec.h"
#include "registry/consul/consul_record.h"

namespace micro::registry::consul {

// A service's name in Consul, and back: what stands before it keeps systems apart.
class Names {
 public:
  explicit Names(std::string prefix) : prefix_(std::move(prefix)) {}
  std::string InConsul(std::string_view name) const { return prefix_ + std::string(name); }
  // Whether a name of Consul's is one of ours.
  bool Has(std::string_view name) const {
    return name.size() > prefix_.size() && name.starts_with(prefix_);
  }
  std::string Ours(std::string_view name) const { return std::string(name.substr(prefix_.size())); }

 private:
  const std::string prefix_;
};

// Reads answers about services into records without the prefix, and logs what cannot be read, each
// thing once. Its methods may be called from any thread.
class Reader {
 public:
  // The codec outlives it.
  Reader(Names names, const RecordCodec& codec) : names_(std::move(names)), codec_(codec) {}

  // As RecordCodec's; `name` is ours.
  absl::StatusOr<Health> ReadHealth(std::string_view json, std::string_view name);
  absl::StatusOr<std::vector<std::string>> ReadCatalog(std::string_view json) const;

  const Names& names() const { return names_; }
  const RecordCodec& codec() const { return codec_; }

 private:
  const Names names_;
  const RecordCodec& codec_;
  Mutex mutex_;
  std::set<std::string> logged_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace micro::registry::consul
