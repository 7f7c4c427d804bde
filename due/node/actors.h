// Actors are what several players of a game share: rooms, tables, guilds. What is done with an actor
// is done one behind the other, whoever asks, so that it needs no locks.
//
//   class Room : public Actor {
//    public:
//     Room() {
//       router().Add(kSay, [this](micro::Context ctx, Request& request) -> micro::Task<absl::Status> {
//         said_.emplace_back(request.body());
//         co_return request.Respond("ok");
//       });
//     }
//   };
//
//   RETURN_IF_ERROR(node.actors().Spawn("room", "7", std::make_shared<Room>()));
//   RETURN_IF_ERROR(node.actors().Bind(request.uid(), "room", "7"));
//   …
//   node.router().Add(kSay, [](micro::Context ctx, Request& request) -> micro::Task<absl::Status> {
//     co_return co_await request.Next(ctx);             // the handler of the player's room
//   });
//
// Everything from any thread. Mirrors due's actors (reference/due.md §4.7), but that Next answers when
// the actor has, and that handlers go on on whatever thread woke them. Who waits, in an actor's
// handler, for another turn of the same actor waits until its context ends.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "core/context.h"
#include "core/in_order.h"
#include "core/mutex.h"
#include "core/task.h"
#include "core/task_scope.h"
#include "due/node/event.h"
#include "due/node/router.h"

namespace due {

class Actor {
 public:
  virtual ~Actor() = default;

  // Filled before Spawn. Flags of routes mean nothing here.
  Router& router() { return router_; }
  void OnEvent(link::Event event, EventHandler handler) {
    events_[static_cast<size_t>(event)] = std::move(handler);
  }

 private:
  friend class Actors;
  Router router_;
  EventHandlers events_;
};

struct ActorOptions {
  bool keeps_node = true;    // the node waits for its end on its way down (due's NonWait: false)
  bool hears_events = true;  // of all players, that are handed on (due's NonDispatch: false)
};

class Actors {
 public:
  Actors() = default;
  ~Actors() { scope_.Join(); }

  // It is there from now on. ALREADY_EXISTS: one of its kind has the id.
  absl::Status Spawn(std::string kind, std::string id, std::shared_ptr<Actor> actor,
                     ActorOptions options = {});

  // It is gone, with its bindings: what waits for it fails with NOT_FOUND, what runs ends as it will.
  // False: there is none.
  bool Kill(std::string_view kind, std::string_view id);

  // A user's requests go to this actor, in place of the one of its kind. NOT_FOUND: there is none;
  // INVALID_ARGUMENT: there is no user.
  absl::Status Bind(int64_t uid, std::string_view kind, std::string_view id);
  void Unbind(int64_t uid, std::string_view kind);

  // The handler of the user's actor that has the route, in its turn. FAILED_PRECONDITION: nobody's
  // request, or the user is bound to no actor that has the route; RESOURCE_EXHAUSTED: too much waits
  // for the actor; NOT_FOUND: it has been killed; else what the handler answers, and the errors of
  // `ctx` where that ends before the handler begins.
  micro::Task<absl::Status> Next(micro::Context ctx, Request& request);

  // The handlers of all actors for an event, each in its turn. Waits for none.
  void Next(const micro::Context& ctx, const PlayerEvent& event);

  // Does something with an actor in its turn. Errors as Next.
  micro::Task<absl::Status> Invoke(micro::Context ctx, std::string kind, std::string id,
                                   std::function<micro::Task<absl::Status>(Actor&)> work);

  // How many there are that a node waits for.
  size_t keeping() const;

  // Waits for what runs.
  auto Done() { return scope_.Done(); }

 private:
  struct Entry;
  using EntryPtr = std::shared_ptr<Entry>;
  using Name = std::pair<std::string, std::string>;  // kind and id
  using Work = std::function<micro::Task<absl::Status>(Actor&)>;

  EntryPtr Find(std::string_view kind, std::string_view id) const;
  micro::Task<absl::Status> InTurn(micro::Context ctx, EntryPtr entry, Work work);

  mutable micro::Mutex mutex_;
  std::map<Name, EntryPtr> entries_ ABSL_GUARDED_BY(mutex_);
  std::unordered_map<int64_t, std::map<std::string, EntryPtr, std::less<>>> of_user_
      ABSL_GUARDED_BY(mutex_);
  micro::TaskScope scope_;
  micro::InOrder line_{scope_, 4096};  // of each actor, as due's mailboxes
};

}  // namespace due
