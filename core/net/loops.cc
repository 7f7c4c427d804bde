#include "core/net/loops.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "core/net/asio.h"

namespace micro::net {
namespace {

thread_local Loop* current_loop = nullptr;

// The cores that this process may run on: of the machine's, those that taskset or a container's set of
// cores left.
size_t UsableCores() {
  cpu_set_t cores;
  if (sched_getaffinity(getpid(), sizeof(cores), &cores) != 0)
    return std::thread::hardware_concurrency();
  return static_cast<size_t>(CPU_COUNT(&cores));
}

}  // namespace

struct Loop::Thread {
  explicit Thread(Loop& loop)
      : work(asio::make_work_guard(*loop.io_)), thread([&loop] {
          pthread_setname_np(pthread_self(), "micro-loop");
          current_loop = &loop;
          loop.io_->run();
        }) {}

  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::thread thread;
};

Loop::Loop()
    : io_(std::make_unique<asio::io_context>(1)), thread_(std::make_unique<Thread>(*this)) {}

Loop::~Loop() {
  io_->stop();
  thread_->thread.join();
}

Loop* Loop::Current() { return current_loop; }

void Loop::Post(absl::AnyInvocable<void()> work) {
  asio::post(*io_, [work = std::move(work)]() mutable { std::move(work)(); });
}

Loops::Loops(size_t count) {
  for (size_t i = 0; i < std::max<size_t>(count, 1); ++i)
    loops_.push_back(std::make_unique<Loop>());
}

Loops& Loops::Default() {
  static Loops& loops = *new Loops(UsableCores());
  return loops;
}

Loop& Loops::Next() {
  return *loops_[next_.fetch_add(1, std::memory_order_relaxed) % loops_.size()];
}

}  // namespace micro::net
