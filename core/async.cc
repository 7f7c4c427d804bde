#include "core/async.h"

namespace micro {

Task<absl::Status> Sleep(Context ctx, absl::Duration duration, Clock& clock) {
  auto slot = std::make_shared<OneShot<bool>>();
  const Clock::TimerId timer = clock.At(
      clock.Now() + duration, [slot] { Executor::Default().Post([slot] { slot->TrySet(true); }); });
  const absl::StatusOr<bool> slept = co_await Await(std::move(ctx), std::move(slot));
  clock.Cancel(timer);
  co_return slept.status();
}

}  // namespace micro
