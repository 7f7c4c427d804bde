#include "core/executor.h"

#include <thread>
#include <utility>

namespace micro {

Executor& Executor::Default() {
  static Executor& executor = *new Executor(64);  // never destroyed: its threads are detached
  return executor;
}

Executor::~Executor() {
  MutexLock lock(mutex_);
  ending_ = true;
  arrived_.NotifyAll();
  while (threads_ > 0) left_.Wait(mutex_);
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

bool Executor::AwaitWork() {
  while (queue_.empty()) {
    if (ending_) return false;
    ++idle_;
    const bool woken = arrived_.WaitFor(mutex_, absl::Seconds(10));
    --idle_;
    if (!woken && queue_.empty()) return false;
  }
  return true;
}

void Executor::Run() {
  mutex_.Lock();
  while (AwaitWork()) {
    absl::AnyInvocable<void()> work = std::move(queue_.front());
    queue_.pop_front();
    mutex_.Unlock();
    work();
    work = nullptr;
    mutex_.Lock();
  }
  --threads_;
  left_.NotifyAll();  // inside the lock: the destructor frees it as soon as it sees zero
  mutex_.Unlock();
}

}  // namespace micro
