#include "registry/etcd/etcd_reader.h"

#include "core/log.h"
#include "core/strings.h"
#include "registry/etcd/etcd_record.h"

namespace micro::registry {
namespace {

constexpr size_t kMaxRemembered = 1000;  // complaints; then all are forgotten
constexpr size_t kMaxShown = 500;        // bytes of others that are shown

}  // namespace

std::optional<Service> EtcdReader::Read(const etcd::KeyValue& entry) {
  absl::StatusOr<Service> service = ReadEtcdRecord(prefix_, entry.key(), entry.value(), codec_);
  if (service.ok()) return *std::move(service);
  {
    MutexLock lock(mutex_);
    if (complained_.size() >= kMaxRemembered) complained_.clear();
    int64_t& revision = complained_[entry.key().substr(0, kMaxShown)];
    if (revision == entry.mod_revision()) return std::nullopt;
    revision = entry.mod_revision();
  }
  const EtcdKey key = ParseEtcdKey(prefix_, entry.key()).value_or(EtcdKey());
  const std::string_view shown = entry.key();
  log::Error("a record in etcd cannot be used",
             {{"service", key.service.substr(0, kMaxShown)},
              {"node", key.node.substr(0, kMaxShown)},
              {"key", shown.substr(0, kMaxShown)},
              {"bytes", entry.value().size()},
              {"error", ToStd(service.status().message()).substr(0, kMaxShown)}});
  return std::nullopt;
}

}  // namespace micro::registry
