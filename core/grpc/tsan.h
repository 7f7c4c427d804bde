// Tells tsan, when it is on, what it cannot see: Debian's gRPC is not instrumented, so that the
// order which its queues put between the thread that hands an object over and the one that gets it
// back is lost. Release before handing over, Acquire after.
#pragma once

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MICRO_TSAN 1
extern "C" void __tsan_acquire(void*);
extern "C" void __tsan_release(void*);
#endif
#endif

namespace micro {

inline void TsanRelease([[maybe_unused]] const void* object) {
#ifdef MICRO_TSAN
  __tsan_release(const_cast<void*>(object));
#endif
}

inline void TsanAcquire([[maybe_unused]] const void* object) {
#ifdef MICRO_TSAN
  __tsan_acquire(const_cast<void*>(object));
#endif
}

}  // namespace micro
