#include "core/executor.h"

#include <thread>
#include <utility>

namespace micro {

Executor& Executor::Default() {
  static Executor& executor = *new Executor(64);  // never destroyed: its threads are detached
  return executor;
}

void Executor::Post(absl::AnyInvocable<void()> work) {
  bool start = false;
  {
    MutexLock lock(mutex_);
    queue_.push_back(std::move(work));
    if (static_cast<int>(queue_.size()) > idle_ && threads_ < max_threads_) {
      ++threads_;
      start = true;
    }
  }
  if (start) {
    std::thread([this] { Run(); }).detach();
  } else {
    arrived_.NotifyOne();
  }
}

void Executor::Run() {
  mutex_.Lock();
  while (true) {
    while (queue_.empty()) {
      ++idle_;
      const bool woken = arrived_.WaitFor(mutex_, absl::Seconds(10));
      --idle_;
      if (!woken && queue_.empty()) {
        --threads_;
        mutex_.Unlock();
        return;
      }
    }
    absl::AnyInvocable<void()> work = std::move(queue_.front());
    queue_.pop_front();
    mutex_.Unlock();
    work();
    work = nullptr;
    mutex_.Lock();
  }
}

}  // namespace micro
