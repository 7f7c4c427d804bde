// A CachedLocator is a locator that remembers what another has said, and learns of changes from its
// events: what a gate asks for each packet of a stateful route, and a node for each push.
//
//   CachedLocator locator(PluginTable<Locator>::Create("redis", options).value(), {.nodes = true});
//   const std::optional<std::string> node = locator.KnownNode(uid, "hall");    // waits for nobody
//   CO_ASSIGN_OR_RETURN(const std::string id, co_await locator.LocateNode(ctx, uid, "hall"));
//
// It follows events from its construction on, and again and again until it can; while it cannot, it
// remembers nothing and every question goes to the other. A change of another process's is known when
// its event has come; until then, and while what remembers cannot be asked, an answer may be an old
// one: who finds that a user is not there says so (Forget…) and asks again. That a user is nowhere is
// not remembered.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/task_scope.h"
#include "due/locate/location_cache.h"
#include "due/locate/locator.h"

namespace due {

class CachedLocator final : public Locator {
 public:
  struct Options {
    bool gates = true;  // which to remember
    bool nodes = true;
    size_t capacity = 200'000;  // places of each kind
  };

  CachedLocator(std::shared_ptr<Locator> locator, Options options);
  ~CachedLocator() override;  // waits for the end of its following: not on a thread of a loop

  std::string_view name() const override { return locator_->name(); }

  // What is remembered, without waiting; nothing: Locate… knows.
  std::optional<std::string> KnownGate(int64_t uid);
  std::optional<std::string> KnownNode(int64_t uid, std::string_view name);

  // The user was not found there (due's "not found session").
  void ForgetGate(int64_t uid, const std::string& gid);
  void ForgetNode(int64_t uid, std::string_view name, const std::string& nid);

  micro::Task<absl::StatusOr<std::string>> LocateGate(micro::Context ctx, int64_t uid) override;
  micro::Task<absl::StatusOr<std::string>> LocateNode(micro::Context ctx, int64_t uid,
                                                      std::string name) override;

  // Not remembered.
  micro::Task<absl::StatusOr<Nodes>> LocateNodes(micro::Context ctx, int64_t uid) override;

  micro::Task<absl::Status> BindGate(micro::Context ctx, int64_t uid, std::string gid) override;
  micro::Task<absl::Status> BindNode(micro::Context ctx, int64_t uid, std::string name,
                                     std::string nid) override;
  micro::Task<absl::StatusOr<bool>> UnbindGate(micro::Context ctx, int64_t uid,
                                               std::string gid) override;
  micro::Task<absl::StatusOr<bool>> UnbindNode(micro::Context ctx, int64_t uid, std::string name,
                                               std::string nid) override;
  micro::Task<absl::StatusOr<std::unique_ptr<LocationWatcher>>> Watch(micro::Context ctx,
                                                                      LocationWatch watch) override;

  // Whether it follows events, and so remembers.
  bool following() const { return following_.load(std::memory_order_acquire); }

 private:
  micro::Task<void> Follow();
  void Apply(const LocationEvent& event);
  void Clear();

  const std::shared_ptr<Locator> locator_;
  const Options options_;
  LocationCache gates_, nodes_;
  std::atomic<bool> following_ = false;
  micro::Context life_;
  micro::CancelFunction end_;
  micro::TaskScope scope_;
};

}  // namespace due
