// An EtcdReader reads the records of one prefix, and complains of those that cannot be used: once
// for each, in an error log that names service and node. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/mutex.h"
#include "registry/etcd/etcd.pb.h"
#include "registry/etcd/etcd_record.h"
#include "registry/registry.h"

namespace micro::registry {

class EtcdReader {
 public:
  // The codec outlives it.
  EtcdReader(std::string prefix, const EtcdRecordCodec& codec)
      : prefix_(std::move(prefix)), codec_(codec) {}

  const std::string& prefix() const { return prefix_; }

  // The record; nothing when it cannot be used.
  std::optional<Service> Read(const etcd::KeyValue& entry);

 private:
  const std::string prefix_;
  const EtcdRecordCodec& codec_;
  Mutex mutex_;
  std::map<std::string, int64_t, std::less<>> complained_
      ABSL_GUARDED_BY(mutex_);  // key → revision
};

}  // namespace micro::registry
