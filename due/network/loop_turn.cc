#include "due/network/loop_turn.h"

#include <utility>

#include "absl/cleanup/cleanup.h"
#include "due/network/session.h"

namespace due {

std::shared_ptr<LoopTurn> LoopTurn::New(micro::net::Loop& loop) {
  return std::shared_ptr<LoopTurn>(
      new LoopTurn(loop), [](LoopTurn* turn) { turn->loop_.Post([turn] { delete turn; }); });
}

LoopTurn::~LoopTurn() {
  for (Parcel* parcel = last_.exchange(nullptr, std::memory_order_acquire); parcel != nullptr;)
    delete std::exchange(parcel, parcel->next);
}

void LoopTurn::FlushLater(std::shared_ptr<Session> session) {
  due_.push_back(std::move(session));
  if (due_.size() == 1) loop_.Post([self = shared_from_this()] { self->FlushAll(); });
}

void LoopTurn::FlushAll() {
  // What is pushed while they write comes in a turn of its own.
  std::vector<std::shared_ptr<Session>> due = std::exchange(due_, {});
  for (const std::shared_ptr<Session>& session : due) session->Flush();
}

void LoopTurn::Push(std::shared_ptr<Session> session, std::string_view packet) {
  Push(new Parcel{.session = std::move(session), .packet = std::string(packet)});
}

void LoopTurn::Push(absl::AnyInvocable<void()> work) { Push(new Parcel{.work = std::move(work)}); }

void LoopTurn::Push(Parcel* parcel) {
  Parcel* before = last_.load(std::memory_order_relaxed);
  do {
    parcel->next = before;
  } while (!last_.compare_exchange_weak(before, parcel, std::memory_order_release,
                                        std::memory_order_relaxed));
  // The first of a turn wakes the loop; the parcel itself may be gone by now.
  if (before == nullptr) loop_.Post([self = shared_from_this()] { self->TakeParcels(); });
}

void LoopTurn::TakeParcels() {
  if (std::exchange(is_taking_, true)) return;  // what is new comes after what is being taken
  const auto done = absl::MakeCleanup([this] { is_taking_ = false; });
  Parcel* newest = last_.exchange(nullptr, std::memory_order_acquire);
  Parcel* oldest = nullptr;
  while (newest != nullptr) {
    Parcel* const before = std::exchange(newest->next, oldest);
    oldest = std::exchange(newest, before);
  }
  while (oldest != nullptr) {
    const std::unique_ptr<Parcel> parcel(std::exchange(oldest, oldest->next));
    if (parcel->work != nullptr) {
      parcel->work();
    } else {
      parcel->session->Take(parcel->packet);
    }
  }
}

}  // namespace due
