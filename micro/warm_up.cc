#include "micro/warm_up.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "core/executor.h"
#include "core/mutex.h"
#include "core/net/loops.h"

namespace micro {
namespace {

constexpr size_t kMostWaiting = 256;
constexpr int kMostAtOnce = 16;

}  // namespace

struct WarmUp::State {
  explicit State(Connect connect) : connect(std::move(connect)) {
    std::tie(ctx, cancel) = WithCancel(Context());
  }

  Connect connect;
  Context ctx;
  CancelFunction cancel;
  Mutex mutex;
  CondVar ended;
  std::map<std::string, std::set<std::string>, std::less<>> known
      ABSL_GUARDED_BY(mutex);  // by service: the addresses of its nodes
  std::deque<registry::Node> waiting ABSL_GUARDED_BY(mutex);
  int running ABSL_GUARDED_BY(mutex) = 0;

  // Notes the nodes of a service; how many more may be connected to at once than are.
  int Learn(const std::string& service, const registry::Snapshot& snapshot) {
    MutexLock lock(mutex);
    std::set<std::string> now;
    std::set<std::string>& before = known[service];
    for (const registry::Service& version : snapshot.services) {
      for (const registry::Node& node : version.nodes) {
        if (!now.insert(node.address).second || before.contains(node.address)) continue;
        if (waiting.size() < kMostWaiting) waiting.push_back(node);
      }
    }
    before = std::move(now);
    if (before.empty()) known.erase(service);
    const int begun = std::min(kMostAtOnce - running, static_cast<int>(waiting.size()));
    running += begun;
    return begun;
  }

  // The next node; false: there is none, and who asks has ended.
  bool Next(registry::Node& node) {
    MutexLock lock(mutex);
    if (waiting.empty() || !ctx.status().ok()) {
      --running;
      ended.NotifyAll();
      return false;
    }
    node = std::move(waiting.front());
    waiting.pop_front();
    return true;
  }

  void AwaitEnd() {
    MutexLock lock(mutex);
    while (running > 0) ended.Wait(mutex);
  }

  static internal::Detached Run(std::shared_ptr<State> state) {
    registry::Node node;
    while (state->Next(node)) co_await state->connect(state->ctx, node);
  }
};

WarmUp::WarmUp(Connect connect, registry::Cache& cache)
    : state_(std::make_shared<State>(std::move(connect))) {
  cache.Observe([weak = std::weak_ptr(state_)](const std::string& service,
                                               const registry::Snapshot& snapshot) {
    const std::shared_ptr<State> state = weak.lock();
    if (state == nullptr) return;
    const int begun = state->Learn(service, snapshot);
    if (begun == 0) return;
    // To make a connection takes its time, and the caller has others to tell.
    Executor::Default().Post([state, begun] {
      for (int i = 0; i < begun; ++i) State::Run(state);
    });
  });
}

WarmUp::~WarmUp() {
  state_->cancel();
  if (net::Loop::Current() != nullptr) return;  // what goes on may need this thread to end
  state_->AwaitEnd();
  state_->connect = nullptr;  // not on a thread that may outlive the program's main
}

}  // namespace micro
