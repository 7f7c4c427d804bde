#include "due/node/actors.h"

#include <fmt/format.h>

#include <atomic>

#include "core/async.h"
#include "core/log.h"
#include "due/node/handler_threw.h"

namespace due {

using micro::Context;
using micro::MutexLock;
using micro::Task;

struct Actors::Entry {
  Name name;
  std::shared_ptr<Actor> actor;
  ActorOptions options;
  std::atomic<bool> is_dead = false;

  int64_t key() const { return static_cast<int64_t>(reinterpret_cast<uintptr_t>(this)); }
};

namespace {

absl::Status NoActor(std::string_view kind, std::string_view id) {
  return absl::NotFoundError(fmt::format("not found actor: there is no {}/{}", kind, id));
}

}  // namespace

absl::Status Actors::Spawn(std::string kind, std::string id, std::shared_ptr<Actor> actor,
                           ActorOptions options) {
  auto entry = std::make_shared<Entry>();
  entry->name = {std::move(kind), std::move(id)};
  entry->actor = std::move(actor);
  entry->options = options;
  MutexLock lock(mutex_);
  if (entries_.emplace(entry->name, entry).second) return absl::OkStatus();
  return absl::AlreadyExistsError(
      fmt::format("actor exists: {}/{}", entry->name.first, entry->name.second));
}

Actors::EntryPtr Actors::Find(std::string_view kind, std::string_view id) const {
  MutexLock lock(mutex_);
  const auto found = entries_.find({std::string(kind), std::string(id)});
  return found == entries_.end() ? nullptr : found->second;
}

bool Actors::Kill(std::string_view kind, std::string_view id) {
  EntryPtr killed;  // freed behind the lock
  MutexLock lock(mutex_);
  const auto found = entries_.find({std::string(kind), std::string(id)});
  if (found == entries_.end()) return false;
  killed = found->second;
  killed->is_dead = true;
  entries_.erase(found);
  for (auto user = of_user_.begin(); user != of_user_.end();) {
    std::erase_if(user->second, [&](const auto& bound) { return bound.second == killed; });
    user = user->second.empty() ? of_user_.erase(user) : std::next(user);
  }
  return true;
}

absl::Status Actors::Bind(int64_t uid, std::string_view kind, std::string_view id) {
  if (uid == 0) return absl::InvalidArgumentError("invalid argument: there is no user");
  const EntryPtr entry = Find(kind, id);
  MutexLock lock(mutex_);
  if (entry == nullptr || entry->is_dead) return NoActor(kind, id);
  of_user_[uid].insert_or_assign(std::string(kind), entry);
  return absl::OkStatus();
}

void Actors::Unbind(int64_t uid, std::string_view kind) {
  MutexLock lock(mutex_);
  const auto user = of_user_.find(uid);
  if (user == of_user_.end()) return;
  if (const auto bound = user->second.find(kind); bound != user->second.end())
    user->second.erase(bound);
  if (user->second.empty()) of_user_.erase(user);
}

Task<absl::Status> Actors::Next(Context ctx, Request& request) {
  if (request.uid() == 0)
    co_return absl::FailedPreconditionError("missing dispatch strategy: the request is nobody's");
  EntryPtr entry;
  const RequestHandler* handler = nullptr;
  {
    MutexLock lock(mutex_);
    const auto user = of_user_.find(request.uid());
    if (user != of_user_.end()) {
      for (const auto& [kind, bound] : user->second) {
        handler = bound->actor->router_.Find(request.route());
        if (handler == nullptr) continue;
        entry = bound;
        break;
      }
    }
  }
  if (entry == nullptr) {
    co_return absl::FailedPreconditionError(
        fmt::format("not bind actor: user {} is bound to none that has route {}", request.uid(),
                    request.route()));
  }
  co_return co_await InTurn(ctx, entry,
                            [ctx, handler, &request](Actor&) { return (*handler)(ctx, request); });
}

void Actors::Next(const Context& ctx, const PlayerEvent& event) {
  std::vector<EntryPtr> all;
  {
    MutexLock lock(mutex_);
    for (const auto& [name, entry] : entries_) {
      const EventHandler& handler = entry->actor->events_[static_cast<size_t>(event.event)];
      if (entry->options.hears_events && handler != nullptr) all.push_back(entry);
    }
  }
  const auto tell = [](Actors* self, Context own, EntryPtr entry, PlayerEvent told) -> Task<void> {
    const size_t index = static_cast<size_t>(told.event);
    const absl::Status status = co_await self->InTurn(
        own, entry, [own, told, index](Actor& actor) { return actor.events_[index](own, told); });
    if (!status.ok()) micro::log::Warn("an actor's event failed", {{"error", status}});
  };
  for (EntryPtr& entry : all) micro::Spawn(scope_, tell(this, ctx, std::move(entry), event));
}

Task<absl::Status> Actors::Invoke(Context ctx, std::string kind, std::string id, Work work) {
  EntryPtr entry = Find(kind, id);
  if (entry == nullptr) co_return NoActor(kind, id);
  co_return co_await InTurn(std::move(ctx), std::move(entry), std::move(work));
}

// The caller's frame lends what the work uses: once begun, it is waited for.
Task<absl::Status> Actors::InTurn(Context ctx, EntryPtr entry, Work work) {
  const auto begun = std::make_shared<micro::OneShot<bool>>();
  const auto answer = std::make_shared<micro::OneShot<absl::Status>>();
  const bool is_taken =
      line_.Add(entry->key(), [entry, begun, answer, work = std::move(work)]() -> Task<void> {
        if (!begun->TrySet(true)) co_return;  // given up
        absl::Status status;
        if (entry->is_dead) {
          status = NoActor(entry->name.first, entry->name.second);
        } else {
          try {
            status = co_await work(*entry->actor);
          } catch (...) {
            status = HandlerThrew();
          }
        }
        answer->TrySet(std::move(status));
      });
  if (!is_taken) {
    co_return absl::ResourceExhaustedError(
        fmt::format("too much waits for actor {}/{}", entry->name.first, entry->name.second));
  }
  const absl::StatusOr<bool> has_begun = co_await Await(ctx, begun);
  if (!has_begun.ok()) co_return has_begun.status();
  co_return *co_await answer->Wait();
}

size_t Actors::keeping() const {
  MutexLock lock(mutex_);
  size_t count = 0;
  for (const auto& [name, entry] : entries_) count += entry->options.keeps_node ? 1 : 0;
  return count;
}

}  // namespace due
