// A WarmUp connects to the nodes that discovery brings, so that the first call to a node need not
// wait for its connection.
//
// At most 16 nodes at a time are connected to, and at most 256 wait for their turn; to those beyond,
// the first call connects. A node that cannot be reached is left to the calls, too. Any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/context.h"
#include "core/task.h"
#include "registry/cache.h"
#include "registry/registry.h"

namespace micro {

class WarmUp {
 public:
  // Connects to a node; ends when it is connected, could not be, or the context has ended. It owns
  // what it needs.
  using Connect = std::function<Task<void>(const Context&, const registry::Node&)>;

  // Follows `cache`, which may outlive this object.
  WarmUp(Connect connect, registry::Cache& cache);
  ~WarmUp();  // cancels what goes on and waits for its end; on a loop's thread it does not wait
  WarmUp(const WarmUp&) = delete;
  WarmUp& operator=(const WarmUp&) = delete;

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace micro
