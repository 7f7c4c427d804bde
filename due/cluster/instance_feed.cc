#include "due/cluster/instance_feed.h"

#include <tuple>
#include <utility>

#include "core/async.h"
#include "core/backoff.h"
#include "core/log.h"
#include "core/status_macros.h"

namespace due {

using micro::Context;
using micro::Task;

InstanceFeed::InstanceFeed(InstanceRegistry& registry, std::string kind,
                           std::function<void(const std::vector<Instance>&)> told)
    : registry_(registry), kind_(std::move(kind)), told_(std::move(told)) {
  std::tie(life_, end_) = WithCancel(Context());
}

InstanceFeed::~InstanceFeed() {
  end_();
  scope_.Join();
}

Task<absl::Status> InstanceFeed::Start(Context ctx) {
  CO_ASSIGN_OR_RETURN(watcher_, co_await registry_.Watch(ctx, kind_));
  CO_ASSIGN_OR_RETURN(const std::vector<Instance> now, co_await watcher_->Next(ctx));
  told_(now);
  Spawn(scope_, Follow());
  co_return absl::OkStatus();
}

Task<void> InstanceFeed::Stop() {
  end_();
  co_await scope_.Done();
}

Task<void> InstanceFeed::Follow() {
  micro::Backoff backoff;
  bool is_lost = false;
  while (life_.status().ok()) {
    const auto now = co_await watcher_->Next(life_);
    if (now.ok()) {
      is_lost = false;
      told_(*now);
      continue;
    }
    if (!life_.status().ok()) co_return;
    if (!std::exchange(is_lost, true)) {
      micro::log::Warn("the registry cannot be watched; those it told last stay",
                       {{"kind", kind_}, {"error", now.status()}});
    }
    (void)co_await Sleep(life_, backoff.Next());
  }
}

}  // namespace due
