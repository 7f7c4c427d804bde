// A Locator remembers where users are: the gate that holds a user's connection, and of each kind of
// node ("hall", "room") the one that holds the user's state.
//
//   CO_RETURN_IF_ERROR(co_await locator->BindGate(ctx, 1001, "gate-1"));
//   CO_ASSIGN_OR_RETURN(const std::string gate, co_await locator->LocateGate(ctx, 1001));
//
// Every method may be called from any thread and honours the context. UNAVAILABLE: what remembers
// cannot be asked; the message has its address. The plugins are "memory" and "redis"; conformance.h
// is the contract as code. Mirrors due's locate.Locator.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/context.h"
#include "core/task.h"

namespace due {

// A change of where a user is. The numbers are those of due's events.
struct LocationEvent {
  enum Type {
    // Changes may have been missed: whatever was remembered of events is worth nothing. All other
    // fields are empty.
    kMissed = 0,
    kBindGate = 1,
    kBindNode = 2,
    kUnbindGate = 3,
    kUnbindNode = 4,
  };
  Type type = kMissed;
  int64_t uid = 0;
  std::string ins_id = {};    // of the gate or node
  std::string ins_kind = {};  // "gate" or "node"
  std::string ins_name = {};  // the name of nodes; empty for gates
  friend bool operator==(const LocationEvent&, const LocationEvent&) = default;
};

// Which events to watch.
struct LocationWatch {
  bool gates = true;
  bool nodes = true;
};

// A subscription to events. Ended by its destructor.
class LocationWatcher {
 public:
  virtual ~LocationWatcher() = default;

  // The next event. It lasts through outages: kMissed comes when the events come again, and when the
  // watcher fell too far behind. CANCELLED: it was stopped; UNAVAILABLE: the locator is gone. One
  // coroutine at a time.
  virtual micro::Task<absl::StatusOr<LocationEvent>> Next(micro::Context ctx) = 0;

  // Ends a Next that waits, and all later ones. From any thread.
  virtual void Stop() = 0;
};

// What every implementation is made with. One that is given what it has no use for refuses to be
// made. Defaults are those of due's etc.locate.redis.
struct LocatorOptions {
  std::vector<std::string> addresses = {};  // host:port; empty: the implementation's default
  // Before each key and channel, so that two games may share a server; empty: "due:locate".
  std::string prefix = {};
  absl::Duration timeout = absl::ZeroDuration();  // of one request; zero: 3 s
  // redis
  int db = 0;
  std::string username = {}, password = {};
  std::string ca_file = {}, cert_file = {}, key_file = {};  // PEM; any of them: TLS
};

class Locator {
 public:
  static constexpr std::string_view kPluginKind = "locator";
  using PluginOptions = LocatorOptions;

  virtual ~Locator() = default;

  // The name of its plugin.
  virtual std::string_view name() const = 0;

  // The id of the gate or node; empty: none is known.
  virtual micro::Task<absl::StatusOr<std::string>> LocateGate(micro::Context ctx, int64_t uid) = 0;
  virtual micro::Task<absl::StatusOr<std::string>> LocateNode(micro::Context ctx, int64_t uid,
                                                              std::string name) = 0;

  // The ids of all nodes of a user, by name.
  using Nodes = std::map<std::string, std::string>;
  virtual micro::Task<absl::StatusOr<Nodes>> LocateNodes(micro::Context ctx, int64_t uid) = 0;

  // From now on the user is there, wherever it was before. INVALID_ARGUMENT: an id or name is empty.
  virtual micro::Task<absl::Status> BindGate(micro::Context ctx, int64_t uid, std::string gid) = 0;
  virtual micro::Task<absl::Status> BindNode(micro::Context ctx, int64_t uid, std::string name,
                                             std::string nid) = 0;

  // The user is there no more; false, and no change, when it was not there or is elsewhere by now.
  virtual micro::Task<absl::StatusOr<bool>> UnbindGate(micro::Context ctx, int64_t uid,
                                                       std::string gid) = 0;
  virtual micro::Task<absl::StatusOr<bool>> UnbindNode(micro::Context ctx, int64_t uid,
                                                       std::string name, std::string nid) = 0;

  // Events from now on, those of one user in their order.
  virtual micro::Task<absl::StatusOr<std::unique_ptr<LocationWatcher>>> Watch(
      micro::Context ctx, LocationWatch watch) = 0;
};

// INVALID_ARGUMENT when one of these is empty, by its name ("gate id", "node name").
absl::Status CheckLocation(
    std::initializer_list<std::pair<std::string_view, std::string_view>> values);

}  // namespace due
