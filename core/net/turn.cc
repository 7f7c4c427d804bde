#include "core/net/turn.h"

#include <utility>

#include "absl/cleanup/cleanup.h"

namespace micro::net {
namespace {

class Work final : public Turn::Parcel {
 public:
  explicit Work(absl::AnyInvocable<void()> work) : work_(std::move(work)) {}
  void Open() override { work_(); }

 private:
  absl::AnyInvocable<void()> work_;
};

}  // namespace

Turn::~Turn() {
  for (Parcel* parcel = last_.exchange(nullptr, std::memory_order_acquire); parcel != nullptr;)
    delete std::exchange(parcel, parcel->next_);
}

void Turn::FlushLater(std::shared_ptr<Writer> writer) {
  due_.push_back(std::move(writer));
  if (due_.size() == 1) loop_.Post([self = shared_from_this()] { self->FlushAll(); });
}

void Turn::FlushAll() {
  // What is written because they write comes in a turn of its own.
  std::vector<std::shared_ptr<Writer>> due = std::exchange(due_, {});
  for (const std::shared_ptr<Writer>& writer : due) writer->Flush();
}

void Turn::Send(absl::AnyInvocable<void()> work) { Send(std::make_unique<Work>(std::move(work))); }

void Turn::Send(std::unique_ptr<Parcel> sent) {
  Parcel* const parcel = sent.release();
  Parcel* before = last_.load(std::memory_order_relaxed);
  do {
    parcel->next_ = before;
  } while (!last_.compare_exchange_weak(before, parcel, std::memory_order_release,
                                        std::memory_order_relaxed));
  // The first of a turn wakes the loop; the parcel itself may be gone by now.
  if (before == nullptr) loop_.Post([self = shared_from_this()] { self->OpenAll(); });
}

void Turn::OpenAll() {
  if (std::exchange(is_opening_, true)) return;
  const auto done = absl::MakeCleanup([this] { is_opening_ = false; });
  Parcel* newest = last_.exchange(nullptr, std::memory_order_acquire);
  Parcel* oldest = nullptr;
  while (newest != nullptr) {
    Parcel* const before = std::exchange(newest->next_, oldest);
    oldest = std::exchange(newest, before);
  }
  while (oldest != nullptr) {
    const std::unique_ptr<Parcel> parcel(std::exchange(oldest, oldest->next_));
    parcel->Open();
  }
}

}  // namespace micro::net
