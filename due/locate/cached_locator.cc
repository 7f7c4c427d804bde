#include "due/locate/cached_locator.h"

#include <tuple>
#include <utility>

#include "core/async.h"
#include "core/backoff.h"
#include "core/log.h"
#include "core/status_macros.h"

namespace due {

using micro::Context;
using micro::Task;

CachedLocator::CachedLocator(std::shared_ptr<Locator> locator, Options options)
    : locator_(std::move(locator)),
      options_(options),
      gates_(options.capacity),
      nodes_(options.capacity) {
  std::tie(life_, end_) = WithCancel(Context());
  Spawn(scope_, Follow());
}

CachedLocator::~CachedLocator() {
  end_();
  scope_.Join();
}

Task<void> CachedLocator::Follow() {
  micro::Backoff backoff;
  bool complained = false;
  do {
    auto watcher =
        co_await locator_->Watch(life_, {.gates = options_.gates, .nodes = options_.nodes});
    absl::Status lost = watcher.status();
    if (watcher.ok()) {
      if (std::exchange(complained, false)) micro::log::Info("events of the locator come again");
      Clear();  // fills that began before count for nothing
      following_.store(true, std::memory_order_release);
      while (lost.ok()) {
        const absl::StatusOr<LocationEvent> event = co_await (*watcher)->Next(life_);
        if (event.ok()) Apply(*event);
        lost = event.status();
      }
      following_.store(false, std::memory_order_release);
      Clear();
    }
    if (life_.status().ok() && !std::exchange(complained, true)) {
      micro::log::Warn("events of the locator do not come: nothing is remembered until they do",
                       {{"locator", locator_->name()}, {"error", lost}});
    }
  } while ((co_await Sleep(life_, backoff.Next())).ok());
}

void CachedLocator::Apply(const LocationEvent& event) {
  switch (event.type) {
    case LocationEvent::kMissed:
      return Clear();
    case LocationEvent::kBindGate:
      return gates_.Set(event.uid, "", event.ins_id, /*add=*/false);
    case LocationEvent::kBindNode:
      return nodes_.Set(event.uid, event.ins_name, event.ins_id, /*add=*/false);
    case LocationEvent::kUnbindGate:
      return gates_.Erase(event.uid, "", event.ins_id);
    case LocationEvent::kUnbindNode:
      return nodes_.Erase(event.uid, event.ins_name, event.ins_id);
  }
}

void CachedLocator::Clear() {
  gates_.Clear();
  nodes_.Clear();
}

std::optional<std::string> CachedLocator::KnownGate(int64_t uid) {
  if (!options_.gates || !following()) return std::nullopt;
  return gates_.Find(uid, "");
}

std::optional<std::string> CachedLocator::KnownNode(int64_t uid, std::string_view name) {
  if (!options_.nodes || !following()) return std::nullopt;
  return nodes_.Find(uid, name);
}

void CachedLocator::ForgetGate(int64_t uid, const std::string& gid) { gates_.Erase(uid, "", gid); }

void CachedLocator::ForgetNode(int64_t uid, std::string_view name, const std::string& nid) {
  nodes_.Erase(uid, name, nid);
}

Task<absl::StatusOr<std::string>> CachedLocator::LocateGate(Context ctx, int64_t uid) {
  CO_RETURN_IF_ERROR(ctx.status());
  if (std::optional<std::string> known = KnownGate(uid)) co_return *std::move(known);
  const bool remember = options_.gates && following();
  const LocationCache::Moment asked = gates_.Now(uid);
  CO_ASSIGN_OR_RETURN(std::string gid, co_await locator_->LocateGate(ctx, uid));
  if (remember && !gid.empty()) gates_.Fill(uid, "", gid, asked);
  co_return gid;
}

Task<absl::StatusOr<std::string>> CachedLocator::LocateNode(Context ctx, int64_t uid,
                                                            std::string name) {
  CO_RETURN_IF_ERROR(ctx.status());
  if (std::optional<std::string> known = KnownNode(uid, name)) co_return *std::move(known);
  const bool remember = options_.nodes && following();
  const LocationCache::Moment asked = nodes_.Now(uid);
  CO_ASSIGN_OR_RETURN(std::string nid, co_await locator_->LocateNode(ctx, uid, name));
  if (remember && !nid.empty()) nodes_.Fill(uid, name, nid, asked);
  co_return nid;
}

Task<absl::StatusOr<Locator::Nodes>> CachedLocator::LocateNodes(Context ctx, int64_t uid) {
  return locator_->LocateNodes(std::move(ctx), uid);
}

Task<absl::Status> CachedLocator::BindGate(Context ctx, int64_t uid, std::string gid) {
  const LocationCache::Moment asked = gates_.Now(uid);
  const absl::Status bound = co_await locator_->BindGate(std::move(ctx), uid, gid);
  // Events that came meanwhile may be of later binds, and what failed may have been done nevertheless.
  if (bound.ok() && options_.gates && following()) gates_.Fill(uid, "", gid, asked);
  const auto known = gates_.Find(uid, "");
  if (known.has_value() && (!bound.ok() || *known != gid)) gates_.Erase(uid, "", *known);
  co_return bound;
}

Task<absl::Status> CachedLocator::BindNode(Context ctx, int64_t uid, std::string name,
                                           std::string nid) {
  const LocationCache::Moment asked = nodes_.Now(uid);
  const absl::Status bound = co_await locator_->BindNode(std::move(ctx), uid, name, nid);
  if (bound.ok() && options_.nodes && following()) nodes_.Fill(uid, name, nid, asked);
  const auto known = nodes_.Find(uid, name);
  if (known.has_value() && (!bound.ok() || *known != nid)) nodes_.Erase(uid, name, *known);
  co_return bound;
}

Task<absl::StatusOr<bool>> CachedLocator::UnbindGate(Context ctx, int64_t uid, std::string gid) {
  absl::StatusOr<bool> unbound = co_await locator_->UnbindGate(std::move(ctx), uid, gid);
  gates_.Erase(uid, "", gid);  // whether it was there or not, or nobody knows
  co_return unbound;
}

Task<absl::StatusOr<bool>> CachedLocator::UnbindNode(Context ctx, int64_t uid, std::string name,
                                                     std::string nid) {
  absl::StatusOr<bool> unbound = co_await locator_->UnbindNode(std::move(ctx), uid, name, nid);
  nodes_.Erase(uid, name, nid);
  co_return unbound;
}

Task<absl::StatusOr<std::unique_ptr<LocationWatcher>>> CachedLocator::Watch(Context ctx,
                                                                            LocationWatch watch) {
  return locator_->Watch(std::move(ctx), watch);
}

}  // namespace due
