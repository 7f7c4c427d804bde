#include "micro/hedged_call.h"

#include <google/protobuf/message.h>

#include <deque>
#include <exception>
#include <memory>
#include <tuple>
#include <utility>

#include "core/async.h"
#include "core/clock.h"
#include "core/task_scope.h"

namespace micro {
namespace {

// One of the attempts, and what it is answered.
struct Contender {
  CallTarget target;
  Context ctx;
  CancelFunction cancel;
  absl::Time began;
  std::unique_ptr<google::protobuf::Message> message;  // one of the two, but for the first attempt
  codec::Frame frame;
  Metadata header;
  Metadata trailer;
  absl::Status status;
  bool ended = false;
};

Task<void> Run(const HedgedCall& call, Contender& contender, codec::Body body,
               AnswerMetadata metadata, Queue<Contender*>& ended) {
  try {
    contender.status =
        co_await call.attempt(contender.ctx, contender.target.node(), body, metadata);
  } catch (const std::exception& exception) {
    contender.status = absl::InternalError(exception.what());  // a call wrapper's
  }
  ended.Push(&contender);
}

class Race {
 public:
  Race(const Context& ctx, const HedgedCall& call, codec::Body response, AnswerMetadata metadata)
      : ctx_(ctx),
        call_(call),
        response_(response),
        metadata_(metadata),
        ended_(static_cast<size_t>(call.most) + 1) {}

  // Until an attempt wins or all have failed: the one whose result counts.
  Task<Contender*> Decide(CallTarget first) {
    Begin(std::move(first));
    bool more = call_.most > 0;
    while (true) {
      // Attempts end with the caller's context by themselves.
      const Context until =
          more ? WithDeadline(Context(), contenders_.back().began + call_.after) : Context();
      const absl::StatusOr<Contender*> ended = co_await ended_.Pop(until);
      if (ended.ok()) {
        --running_;
        (*ended)->ended = true;
        const absl::Status& status = (*ended)->status;
        (*ended)->target.Done(status);
        if (status.ok() || call_.is_final(status) || running_ == 0) co_return *ended;
      } else if (ctx_.status().ok()) {
        more = BeginAnother() && contenders_.size() <= static_cast<size_t>(call_.most);
      } else {
        more = false;
      }
    }
  }

  // Ends all others than the winner.
  Task<void> Finish() {
    const absl::Time now = Clock::Real().Now();
    for (Contender& contender : contenders_) {
      if (contender.ended) continue;
      if (now - contender.began >= call_.after) {
        contender.target.Done(
            absl::DeadlineExceededError("another node answered an attempt that began later"));
      }
      contender.cancel();
    }
    co_await scope_.Done();
  }

  // Gives the caller what the winner was answered.
  void Take(Contender& winner) {
    if (&winner == &contenders_.front()) return;  // it wrote there
    if (winner.message != nullptr) {
      response_.message()->GetReflection()->Swap(response_.message(), winner.message.get());
    } else {
      response_.frame()->data = std::move(winner.frame.data);
    }
    if (metadata_.header != nullptr) *metadata_.header = std::move(winner.header);
    if (metadata_.trailer != nullptr) *metadata_.trailer = std::move(winner.trailer);
  }

 private:
  // The first attempt writes where the caller reads, another to places of its own.
  void Begin(CallTarget target) {
    const bool first = contenders_.empty();
    Contender& contender = contenders_.emplace_back();
    const codec::Body body = first ? response_ : OwnBody(contender);
    AnswerMetadata metadata = metadata_;
    if (!first && metadata.header != nullptr) metadata.header = &contender.header;
    if (!first && metadata.trailer != nullptr) metadata.trailer = &contender.trailer;
    contender.target = std::move(target);
    std::tie(contender.ctx, contender.cancel) = WithCancel(ctx_);
    contender.began = Clock::Real().Now();
    ++running_;
    Spawn(scope_, Run(call_, contender, body, metadata, ended_));
  }

  // False: there is nowhere to go.
  bool BeginAnother() {
    std::optional<CallTarget> target = call_.next();
    if (target.has_value()) Begin(*std::move(target));
    return target.has_value();
  }

  codec::Body OwnBody(Contender& contender) const {
    if (response_.message() == nullptr) return contender.frame;
    contender.message.reset(response_.message()->New());
    return *contender.message;
  }

  const Context& ctx_;
  const HedgedCall& call_;
  const codec::Body response_;
  const AnswerMetadata metadata_;
  std::deque<Contender> contenders_;
  Queue<Contender*> ended_;
  size_t running_ = 0;
  TaskScope scope_;
};

}  // namespace

Task<absl::Status> CallHedged(const Context& ctx, const HedgedCall& call, CallTarget first,
                              codec::Body response, AnswerMetadata metadata) {
  Race race(ctx, call, response, metadata);
  Contender& winner = *co_await race.Decide(std::move(first));
  co_await race.Finish();
  race.Take(winner);
  co_return winner.status;
}

}  // namespace micro
