// A Context carries what belongs to one call through everything done on its behalf: deadline,
// cancellation and metadata.
//
//   auto [ctx, cancel] = WithCancel(Context());
//   Context shorter = WithTimeout(ctx, absl::Milliseconds(300));
//   absl::Status slept = co_await Sleep(shorter, absl::Seconds(1));   // DEADLINE_EXCEEDED after 300 ms
//
// It is a cheap value like Go's context.Context: copies share their state, deriving one never
// changes another, and all methods may be called from any thread. It is the first parameter of
// everything that may wait, and its end is honoured there. A deadline is a value, not a timer:
// whoever waits sets one, so that a Context costs nothing while nobody waits.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "core/metadata.h"

namespace micro {

class ResponseMetadata;

class Context {
 public:
  // A context without deadline and metadata that nothing cancels; what `main` and tests begin with.
  Context() = default;

  // When the work must have ended, on Clock::Real(); absl::InfiniteFuture() when never.
  absl::Time deadline() const { return deadline_; }

  // The time left: zero when the deadline has passed, infinite without one.
  absl::Duration remaining() const;

  // OK while the work may go on, else CANCELLED or DEADLINE_EXCEEDED.
  absl::Status status() const;

  // Ends with the context's cancellation (not with its deadline): for std::stop_callback.
  const std::stop_token& stop_token() const { return stop_; }

  const Metadata& metadata() const;

  // Where a handler's words beside its response gather (core/response_metadata.h); null outside of
  // a call that came in, or on a wire that carries none.
  ResponseMetadata* response_metadata() const { return response_.get(); }

 private:
  friend std::pair<Context, std::function<void()>> WithCancel(const Context&);
  friend Context WithDeadline(const Context&, absl::Time);
  friend Context WithMetadata(const Context&, Metadata);
  friend Context WithStopToken(const Context&, std::stop_token);
  friend Context WithIncomingCall(const Context&, Metadata);

  absl::Time deadline_ = absl::InfiniteFuture();
  std::stop_token stop_;
  std::shared_ptr<const void> cancel_state_;  // keeps the link to the parent's cancellation
  std::shared_ptr<const Metadata> metadata_;
  std::shared_ptr<ResponseMetadata> response_;
};

// Cancels the context it came with and all that derive from it; more calls do nothing. Copies may
// outlive the context. What waits under the context goes on inside the call, on its thread: hold no
// lock over it.
using CancelFunction = std::function<void()>;

// A context that ends at `deadline`, or when its parent does.
Context WithDeadline(const Context& parent, absl::Time deadline);
Context WithTimeout(const Context& parent, absl::Duration timeout);

// A context that ends when the function is called, or when its parent does.
std::pair<Context, CancelFunction> WithCancel(const Context& parent);

// A context that carries `metadata` in place of its parent's.
Context WithMetadata(const Context& parent, Metadata metadata);

// A context that carries its parent's metadata with one pair set.
Context WithMetadata(const Context& parent, std::string_view key, std::string_view value);

// A context that is cancelled by `token` in place of its parent's cancellation; the bridge from a
// wire's own cancellation.
Context WithStopToken(const Context& parent, std::stop_token token);

}  // namespace micro
