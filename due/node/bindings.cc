#include "due/node/bindings.h"

#include <tuple>
#include <utility>

#include "core/status_macros.h"

namespace due {

using micro::Context;
using micro::MutexLock;
using micro::Task;

Bindings::Bindings(Locator& locator, std::string name, std::string nid)
    : locator_(locator), name_(std::move(name)), nid_(std::move(nid)) {
  std::tie(life_, end_) = WithCancel(Context());
}

Bindings::~Bindings() {
  end_();
  scope_.Join();
}

Task<absl::Status> Bindings::Start(Context ctx) {
  CO_ASSIGN_OR_RETURN(watcher_, co_await locator_.Watch(ctx, {.gates = false, .nodes = true}));
  Spawn(scope_, Follow());
  co_return absl::OkStatus();
}

Task<void> Bindings::Stop() {
  end_();
  co_await scope_.Done();
}

size_t Bindings::Count() const {
  MutexLock lock(mutex_);
  return users_.size();
}

// It lasts through outages; what is missed then costs time at the end.
Task<void> Bindings::Follow() {
  while (true) {
    const auto event = co_await watcher_->Next(life_);
    if (!event.ok()) co_return;
    Apply(*event);
  }
}

void Bindings::Apply(const LocationEvent& event) {
  if (event.ins_name != name_) return;
  MutexLock lock(mutex_);
  if (event.type == LocationEvent::kBindNode && event.ins_id == nid_) {
    users_.insert(event.uid);
  } else if (event.type == LocationEvent::kBindNode || event.ins_id == nid_) {
    users_.erase(event.uid);  // it is elsewhere, or not here any more
  }
}

}  // namespace due
