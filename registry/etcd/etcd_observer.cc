#include "registry/etcd/etcd_observer.h"

#include <fmt/format.h>

#include <functional>
#include <utility>

#include "core/async.h"
#include "core/backoff.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/status_macros.h"
#include "registry/etcd/etcd_record.h"

namespace micro::registry {
namespace {

size_t HashOf(const std::string& value) { return std::hash<std::string>()(value); }

// Why etcd took a watch back.
absl::Status Refusal(const etcd::WatchResponse& response) {
  const std::string& why = response.cancel_reason();
  if (response.compact_revision() > 0)
    return absl::OutOfRangeError("the revision to watch from has been compacted");
  if (why.find("permission denied") != why.npos || why.find("auth") != why.npos ||
      why.find("user name is empty") != why.npos) {
    return absl::PermissionDeniedError(fmt::format("etcd refuses the watch: {}", why));
  }
  return absl::UnavailableError(fmt::format("etcd took the watch back: {}", why));
}

}  // namespace

EtcdObserver::EtcdObserver(EtcdClient& client, EtcdReader& reader, std::string service,
                           Context life, absl::Duration grace)
    : client_(client),
      reader_(reader),
      service_(std::move(service)),
      key_(service_.empty() ? reader.prefix() : EtcdServiceKey(reader.prefix(), service_)),
      life_(std::move(life)),
      grace_(grace) {}

Task<absl::Status> EtcdObserver::Begin(Context ctx) {
  CO_ASSIGN_OR_RETURN(const etcd::RangeResponse listing, co_await List(ctx, 0));
  seen_ = SeeAll(listing);
  revision_ = listing.header().revision();
  co_return co_await Open(ctx);
}

Task<void> EtcdObserver::Run(std::shared_ptr<EtcdObserver> self) {
  Backoff backoff;
  do {
    absl::Status status;
    if (self->stream_ == nullptr) status = co_await self->Resume();
    if (status.ok()) status = co_await self->Follow();
    self->stream_ = nullptr;
    log::Debug("a watch of etcd was lost", {{"key", self->key_}, {"error", status}});
    if (absl::IsPermissionDenied(status)) self->client_.ForgetToken();
  } while ((co_await Sleep(self->life_, backoff.Next())).ok());
  self->feed_.Close(absl::UnavailableError("the registry was closed"));
}

// `revision` 0: the newest.
Task<absl::StatusOr<etcd::RangeResponse>> EtcdObserver::List(Context ctx, int64_t revision) {
  etcd::RangeRequest request;
  request.set_key(key_);
  request.set_range_end(EtcdRangeEnd(key_));
  request.set_revision(revision);
  return client_.Range(std::move(ctx), std::move(request));
}

Task<absl::Status> EtcdObserver::Open(Context ctx) {
  etcd::WatchCreateRequest request;
  request.set_key(key_);
  request.set_range_end(EtcdRangeEnd(key_));
  request.set_start_revision(revision_ + 1);
  request.set_fragment(true);
  CO_ASSIGN_OR_RETURN(stream_, co_await client_.Watch(ctx, life_, std::move(request)));
  CO_ASSIGN_OR_RETURN(const etcd::WatchResponse created, co_await stream_->Recv(ctx));
  if (created.canceled()) co_return Refusal(created);
  if (created.header().revision() < revision_)
    co_return absl::DataLossError("etcd is behind what it had");
  co_return absl::OkStatus();
}

Task<absl::Status> EtcdObserver::Resume() {
  absl::StatusOr<etcd::RangeResponse> listing = co_await List(life_, revision_);
  const bool gone = absl::IsOutOfRange(listing.status());  // compacted, or not yet there
  if (!listing.ok() && !gone) co_return listing.status();
  if (gone || !IsWhatWasSeen(*listing)) {
    listing = co_await List(life_, 0);
    CO_RETURN_IF_ERROR(listing.status());
    const bool lost = !gone || listing->header().revision() < revision_;  // another history
    Replace(SeeAll(*listing), lost);
    revision_ = listing->header().revision();
  }
  EndDoubts();
  co_return co_await Open(life_);
}

Task<absl::Status> EtcdObserver::Follow() {
  while (true) {
    // The end of doubts ends the watch: Resume sees to them.
    const Context ctx =
        doubted_.empty() ? life_ : WithTimeout(life_, doubts_end_ - Clock::Real().Now());
    CO_ASSIGN_OR_RETURN(const etcd::WatchResponse response, co_await stream_->Recv(ctx));
    if (response.canceled()) co_return Refusal(response);
    for (const etcd::Event& event : response.events()) Apply(event);
    if (response.events_size() == 0) continue;
    // Of the last revision of a fragment, more may be to come.
    const int64_t last = response.events(response.events_size() - 1).kv().mod_revision();
    revision_ = response.fragment() ? last - 1 : last;
  }
}

EtcdObserver::Seen EtcdObserver::See(const etcd::KeyValue& entry) {
  Seen seen{.mod_revision = entry.mod_revision(),
            .value_hash = HashOf(entry.value()),
            .service = reader_.Read(entry)};
  // Names that differ in a slash and a dash alone share their keys.
  if (seen.service.has_value() && !service_.empty() && seen.service->name != service_)
    seen.service.reset();
  return seen;
}

EtcdObserver::Records EtcdObserver::SeeAll(const etcd::RangeResponse& listing) {
  Records records;
  for (const etcd::KeyValue& entry : listing.kvs()) records.emplace(entry.key(), See(entry));
  return records;
}

bool EtcdObserver::IsWhatWasSeen(const etcd::RangeResponse& listing) const {
  if (static_cast<size_t>(listing.kvs_size()) != seen_.size()) return false;
  for (const etcd::KeyValue& entry : listing.kvs()) {
    const auto known = seen_.find(entry.key());
    if (known == seen_.end() || known->second.mod_revision != entry.mod_revision() ||
        known->second.value_hash != HashOf(entry.value())) {
      return false;
    }
  }
  return true;
}

// `lost`: etcd has forgotten what it had.
void EtcdObserver::Replace(Records records, bool lost) {
  if (lost) doubts_end_ = Clock::Real().Now() + grace_;
  for (const auto& [key, before] : seen_) {
    if (records.contains(key) || !before.service.has_value()) continue;
    if (lost) {
      doubted_.emplace(key, *before.service);
    } else {
      Tell(before.service, std::nullopt);
    }
  }
  for (const auto& [key, now] : records) {
    const auto before = seen_.find(key);
    const std::optional<Service> was =
        before == seen_.end() ? TakeDoubted(key) : before->second.service;
    if (was != now.service) Tell(was, now.service);
  }
  seen_ = std::move(records);
}

// What etcd had at the key before it lost it.
std::optional<Service> EtcdObserver::TakeDoubted(const std::string& key) {
  const auto node = doubted_.extract(key);
  return node.empty() ? std::nullopt : std::optional<Service>(node.mapped());
}

void EtcdObserver::EndDoubts() {
  if (Clock::Real().Now() < doubts_end_) return;
  for (const auto& [key, service] : std::exchange(doubted_, {})) Tell(service, std::nullopt);
}

void EtcdObserver::Apply(const etcd::Event& event) {
  const etcd::KeyValue& entry = event.kv();
  const auto known = seen_.find(entry.key());
  if (known != seen_.end() && known->second.mod_revision >= entry.mod_revision()) return;
  if (event.type() == etcd::Event::DELETE) {
    if (known == seen_.end()) return;
    Tell(known->second.service, std::nullopt);
    seen_.erase(known);
    return;
  }
  Seen now = See(entry);
  const std::optional<Service> was =
      known == seen_.end() ? TakeDoubted(entry.key()) : known->second.service;
  Tell(was, now.service);
  seen_.insert_or_assign(entry.key(), std::move(now));
}

void EtcdObserver::Tell(const std::optional<Service>& before, const std::optional<Service>& now) {
  if (!now.has_value()) {
    if (before.has_value()) feed_.Publish({Action::kDelete, *before});
    return;
  }
  const bool same = before.has_value() && before->name == now->name &&
                    before->version == now->version && before->nodes[0].id == now->nodes[0].id;
  if (before.has_value() && !same) feed_.Publish({Action::kDelete, *before});
  feed_.Publish({same ? Action::kUpdate : Action::kCreate, *now});
}

}  // namespace micro::registry
