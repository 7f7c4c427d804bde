#include "micro/client.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/async.h"
#include "core/errors.h"
#include "core/status_macros.h"
#include "micro/call_error.h"
#include "micro/hedged_call.h"
#include "micro/picked_stream.h"
#include "micro/retry_budget.h"
#include "micro/warm_up.h"
#include "micro/wires.h"

namespace micro {
namespace {

// Fills what the call leaves open by what its policy says.
void Complete(CallOptions& options, const CallPolicy& policy) {
  if (!options.request_timeout) options.request_timeout = policy.request_timeout;
  if (!options.connection_timeout) options.connection_timeout = policy.connection_timeout;
  if (!options.stream_timeout) options.stream_timeout = policy.stream_timeout;
  if (!options.retries) options.retries = policy.retries;
  if (!options.hedge_after) options.hedge_after = policy.hedge_after;
  if (!options.max_hedges) options.max_hedges = policy.max_hedges;
  if (!options.backoff) options.backoff = policy.backoff;
  if (!options.retry) options.retry = policy.retry;
}

class SelectingClient final : public Client {
 public:
  // `cache`: null where no connection is made before a call needs it.
  SelectingClient(ClientOptions options, std::shared_ptr<selector::Selector> selector,
                  std::shared_ptr<broker::Broker> broker, std::shared_ptr<const Wires> wires,
                  registry::Cache* cache)
      : options_(std::move(options)),
        selector_(std::move(selector)),
        broker_(std::move(broker)),
        wires_(std::move(wires)),
        budgets_(options_.retry_budget < 1 ? std::make_unique<RetryBudgets>(options_.retry_budget)
                                           : nullptr) {
    if (!options_.call_wrappers.empty()) wrapped_ = Wrap(Plain(), options_.call_wrappers);
    if (cache == nullptr) return;
    const auto connect = [wires = wires_](const Context& ctx,
                                          const registry::Node& node) -> Task<void> {
      const absl::StatusOr<ClientWire*> wire = wires->Of(node);
      if (wire.ok()) co_await (*wire)->Warm(ctx, node);
    };
    warm_up_.emplace(connect, *cache);
  }

  Task<absl::Status> Call(Context ctx, Request request, codec::Body response,
                          CallOptions options) override {
    ApplyPolicy(request, options);
    if (ctx.deadline() == absl::InfiniteFuture()) {
      ctx = WithTimeout(ctx, options.request_timeout.value_or(options_.request_timeout));
    }
    if (!options.content_type.empty()) request.content_type = options.content_type;
    const CallFunc own = WrappedFor(options);
    const CallFunc& wrapped = own != nullptr ? own : wrapped_;
    const int retries = options.retries.value_or(options_.retries);
    const BackoffFunc& backoff = options.backoff != nullptr ? options.backoff : options_.backoff;
    const RetryFunc& retry = options.retry != nullptr ? options.retry : options_.retry;
    const bool hedged = HedgeAfter(options) != absl::InfiniteDuration();
    RetryBudget* const budget = budgets_ == nullptr ? nullptr : &budgets_->Of(request.service);
    if (budget != nullptr) budget->Deposit();
    absl::Status failure;
    for (int attempt = 0;; ++attempt) {
      if (options.header != nullptr) *options.header = {};
      if (options.trailer != nullptr) *options.trailer = {};
      if (const absl::Duration pause = backoff(request, attempt); pause > absl::ZeroDuration()) {
        // Waiting past the deadline helps nobody: the last error is the better answer.
        if (attempt > 0 && pause >= ctx.remaining())
          co_return Explained(failure, ctx, request, options);
        const absl::Status slept = co_await Sleep(ctx, pause);
        if (!slept.ok()) co_return TimedOut(slept);
      }
      if (const absl::Status ended = ctx.status(); !ended.ok()) co_return TimedOut(ended);

      registry::Node address;  // of a call without discovery
      std::optional<selector::Pick> pick;
      if (options.addresses.empty()) {
        absl::StatusOr<selector::Pick> picked =
            selector_->Select(request.service, options.select,
                              {.endpoint = request.method.endpoint, .metadata = &ctx.metadata()});
        if (!picked.ok())
          picked = co_await SelectAgain(ctx, request, options.select, std::move(picked));
        if (!picked.ok()) co_return picked.status();
        pick = *std::move(picked);
      } else {
        address = AddressNode(options, attempt);
      }
      const registry::Node& node = pick.has_value() ? pick->node() : address;
      if (hedged) {
        options.select.avoid.push_back(node.id);
        failure = co_await Hedged(ctx, request, response, options, wrapped, budget, attempt,
                                  {std::move(pick), std::move(address)});
      } else if (wrapped != nullptr) {
        failure = co_await wrapped(ctx, node, request, {.body = response}, options);
      } else {
        // As Attempt does, without a coroutine of its own: this is the path of most calls.
        absl::StatusOr<ClientWire*> wire = wires_->Of(node);
        if (!wire.ok()) co_return wire.status();
        const Request typed = Typed(request, options, **wire);
        const absl::Duration limit = AttemptLimit(options, **wire);
        failure = limit == absl::InfiniteDuration() || limit >= ctx.remaining()
                      ? co_await (*wire)->Call(ctx, node, typed, response)
                      : co_await (*wire)->Call(WithTimeout(ctx, limit), node, typed, response);
      }
      if (!hedged && pick.has_value()) pick->Done(failure, IsUnsent(failure));
      if (failure.ok()) co_return failure;
      if (attempt >= retries || !retry(request, attempt, failure) || !ctx.status().ok())
        co_return Explained(failure, ctx, request, options);
      if (budget != nullptr && !IsUnsent(failure) && !budget->Withdraw())
        co_return NotTriedAgain(Explained(failure, ctx, request, options), request.service);
      if (!hedged) options.select.avoid.push_back(node.id);
    }
  }

  Task<absl::StatusOr<std::unique_ptr<RawStream>>> Stream(Context ctx, Request request,
                                                          CallOptions options) override {
    ApplyPolicy(request, options);
    ctx = WithTimeout(ctx, options.stream_timeout.value_or(options_.stream_timeout));
    if (const absl::Status ended = ctx.status(); !ended.ok()) co_return TimedOut(ended);
    if (!options.content_type.empty()) request.content_type = options.content_type;
    registry::Node address;
    std::optional<selector::Pick> pick;
    if (options.addresses.empty()) {
      absl::StatusOr<selector::Pick> picked =
          selector_->Select(request.service, options.select,
                            {.endpoint = request.method.endpoint, .metadata = &ctx.metadata()});
      if (!picked.ok())
        picked = co_await SelectAgain(ctx, request, options.select, std::move(picked));
      if (!picked.ok()) co_return picked.status();
      pick = *std::move(picked);
    } else {
      address = AddressNode(options, 0);
    }
    const registry::Node& node = pick.has_value() ? pick->node() : address;
    const CallFunc own = WrappedFor(options);
    const CallFunc& wrapped = own != nullptr ? own : wrapped_;
    std::unique_ptr<RawStream> raw;
    absl::Status status;
    if (wrapped != nullptr) {
      status = co_await wrapped(ctx, node, request, {.stream = &raw}, options);
      if (status.ok() && raw == nullptr) {
        status = ClientError("a call wrapper answered without opening the stream",
                             absl::StatusCode::kInternal);
      }
    } else {
      status = co_await Attempt(ctx, node, request, {.stream = &raw}, options);
    }
    if (!status.ok()) {
      if (pick.has_value()) pick->Done(status, IsUnsent(status));
      co_return Explained(status, ctx, request, options);
    }
    co_return std::make_unique<PickedStream>(std::move(raw), std::move(pick));
  }

  Task<absl::Status> Publish(Context ctx, std::string topic, codec::ConstBody payload,
                             PublishOptions options) override {
    if (broker_ == nullptr)
      co_return absl::FailedPreconditionError("this client has no broker (flag --broker)");
    const std::string content_type = options.content_type.empty()
                                         ? std::string(DefaultContentType(*wires_->usual))
                                         : options.content_type;
    const absl::StatusOr<const codec::Codec*> codec = codec::ForContentType(content_type);
    if (!codec.ok())
      co_return ClientError(std::string(codec.status().message()), codec.status().code());
    broker::Message message;
    CO_ASSIGN_OR_RETURN(message.body, (*codec)->MarshalToString(payload));
    for (const auto& [key, value] : ctx.metadata()) {
      if (IsForwarded(key)) message.header.Set(key, value);
    }
    message.header.Set(headers::kContentType, content_type);
    message.header.Set(headers::kTopic, topic);
    CO_RETURN_IF_ERROR(co_await broker_->Connect(ctx));
    co_return co_await broker_->Publish(ctx, options.exchange.empty() ? topic : options.exchange,
                                        std::move(message));
  }

 private:
  void ApplyPolicy(const Request& request, CallOptions& options) const {
    if (options_.policies == nullptr) return;
    const auto policy = options_.policies->Of(request.service, request.method.endpoint);
    if (policy != nullptr) Complete(options, *policy);
  }

  // When an attempt gets company; infinite: never.
  absl::Duration HedgeAfter(const CallOptions& options) const {
    if (options.hedge_after.has_value()) return *options.hedge_after;
    return options_.hedge_after.value_or(absl::InfiniteDuration());
  }

  // One attempt that gets company when it takes long. It tells the selector, and leaves the nodes
  // that it tried in `options.select.avoid`, where the first is already.
  Task<absl::Status> Hedged(const Context& ctx, const Request& request, codec::Body response,
                            CallOptions& options, const CallFunc& wrapped, RetryBudget* budget,
                            int attempt, CallTarget first) {
    const CallOptions& given = options;  // which attempts read while it goes on
    const RetryFunc& retry = given.retry != nullptr ? given.retry : options_.retry;
    selector::SelectOptions select = given.select;
    int hedges = 0;
    const HedgedCall call = {
        .after = HedgeAfter(given),
        .most = given.max_hedges.value_or(options_.max_hedges),
        .next = [&]() -> std::optional<CallTarget> {
          CallTarget target;
          if (given.addresses.empty()) {
            absl::StatusOr<selector::Pick> picked = selector_->Select(
                request.service, select,
                {.endpoint = request.method.endpoint, .metadata = &ctx.metadata()});
            if (!picked.ok()) return std::nullopt;
            target.pick = *std::move(picked);
          } else {
            target.address = AddressNode(given, attempt + ++hedges);
          }
          const std::string& id = target.node().id;
          // A node that was tried is as slow as it was.
          if (std::find(select.avoid.begin(), select.avoid.end(), id) != select.avoid.end())
            return std::nullopt;
          if (budget != nullptr && !budget->Withdraw()) return std::nullopt;
          select.avoid.push_back(id);
          return target;
        },
        .attempt = [&](const Context& own, const registry::Node& node, codec::Body body,
                       AnswerMetadata metadata) -> Task<absl::Status> {
          CallOptions told = given;
          told.header = metadata.header;
          told.trailer = metadata.trailer;
          co_return wrapped != nullptr ? co_await wrapped(own, node, request, {.body = body}, told)
                                       : co_await Attempt(own, node, request, {.body = body}, told);
        },
        .is_final = [&](const absl::Status& error) { return !retry(request, attempt, error); },
    };
    const absl::Status status = co_await CallHedged(ctx, call, std::move(first), response,
                                                    {options.header, options.trailer});
    options.select.avoid = std::move(select.avoid);
    co_return status;
  }

  static registry::Node AddressNode(const CallOptions& options, int attempt) {
    const std::string& address =
        options.addresses[static_cast<size_t>(attempt) % options.addresses.size()];
    return {.id = address, .address = address, .metadata = {}};
  }

  static CallFunc Wrap(CallFunc call, const std::vector<CallWrapper>& wrappers) {
    for (auto wrapper = wrappers.rbegin(); wrapper != wrappers.rend(); ++wrapper)
      call = (*wrapper)(std::move(call));
    return call;
  }

  // The attempt inside the wrappers of a call that has its own; null for one that has none.
  CallFunc WrappedFor(const CallOptions& options) {
    if (options.wrappers.empty()) return nullptr;
    return Wrap(Wrap(Plain(), options.wrappers), options_.call_wrappers);
  }

  CallFunc Plain() {
    return [this](const Context& ctx, const registry::Node& node, const Request& request,
                  CallResponse response, const CallOptions& options) {
      return Attempt(ctx, node, request, response, options);
    };
  }

  std::string_view DefaultContentType(const ClientWire& wire) const {
    return options_.content_type.empty() ? wire.default_content_type()
                                         : std::string_view(options_.content_type);
  }

  // The request as this wire sends it: the next attempt may go over another.
  Request Typed(const Request& request, const CallOptions& options, const ClientWire& wire) const {
    Request typed = request;
    typed.header = options.header;
    typed.trailer = options.trailer;
    if (typed.content_type.empty()) typed.content_type = DefaultContentType(wire);
    return typed;
  }

  absl::Duration AttemptLimit(const CallOptions& options, const ClientWire& wire) const {
    if (options.connection_timeout.has_value()) return *options.connection_timeout;
    return options_.connection_timeout.value_or(wire.default_connection_timeout());
  }

  Task<absl::Status> Attempt(const Context& ctx, const registry::Node& node, const Request& request,
                             CallResponse response, const CallOptions& options) {
    absl::StatusOr<ClientWire*> wire = wires_->Of(node);
    if (!wire.ok()) co_return wire.status();
    const Request typed = Typed(request, options, **wire);
    if (response.stream == nullptr) {
      const Context limited = WithTimeout(ctx, AttemptLimit(options, **wire));
      co_return co_await (*wire)->Call(limited, node, typed, *response.body);
    }
    absl::StatusOr<std::unique_ptr<RawStream>> stream = co_await (*wire)->Stream(ctx, node, typed);
    if (stream.ok()) *response.stream = *std::move(stream);
    co_return stream.status();
  }

  // After a Select that failed: waits for discovery where that was all it lacked; else makes the
  // client's error of it.
  Task<absl::StatusOr<selector::Pick>> SelectAgain(const Context& ctx, const Request& request,
                                                   const selector::SelectOptions& select,
                                                   absl::StatusOr<selector::Pick> pick) {
    if (absl::IsFailedPrecondition(pick.status())) {
      const absl::Status found = co_await selector_->Discover(ctx, std::string(request.service));
      if (!found.ok() && !ctx.status().ok()) co_return TimedOut(found);
      if (!found.ok()) co_return ClientError(std::string(found.message()), found.code());
      pick = selector_->Select(request.service, select,
                               {.endpoint = request.method.endpoint, .metadata = &ctx.metadata()});
      if (absl::IsFailedPrecondition(pick.status())) {
        co_return ClientError(fmt::format("service {}: not found", request.service),
                              absl::StatusCode::kNotFound);
      }
    }
    if (!pick.ok()) {
      co_return Explained(ClientError(std::string(pick.status().message()), pick.status().code()),
                          ctx, request, {.select = select});
    }
    co_return pick;
  }

  // The error of a call's last attempt, with what is known of the nodes that it could have gone to.
  absl::Status Explained(const absl::Status& failure, const Context& ctx, const Request& request,
                         const CallOptions& options) const {
    if (!options.addresses.empty() || !MayBeForLackOfNodes(failure)) return failure;
    const selector::Plight plight =
        selector_->PlightOf(request.service, options.select,
                            {.endpoint = request.method.endpoint, .metadata = &ctx.metadata()});
    return WithPlight(failure, request.service, plight);
  }

  const ClientOptions options_;
  const std::shared_ptr<selector::Selector> selector_;
  const std::shared_ptr<broker::Broker> broker_;
  const std::shared_ptr<const Wires> wires_;
  const std::unique_ptr<RetryBudgets> budgets_;  // null: there is no bound
  CallFunc wrapped_;
  std::optional<WarmUp> warm_up_;
};

absl::Status Check(const ClientOptions& options) {
  if (!(options.retry_budget >= 0 && options.retry_budget <= 1)) {
    return absl::InvalidArgumentError(
        fmt::format("retry_budget is {}, not a share from 0 to 1 (flag --client_retry_budget)",
                    options.retry_budget));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<Client>> NewClient(ClientOptions options,
                                                  std::shared_ptr<selector::Selector> selector,
                                                  std::shared_ptr<broker::Broker> broker,
                                                  registry::Cache* cache) {
  RETURN_IF_ERROR(Check(options));
  if (options.wire.empty()) options.wire = "grpc";
  ASSIGN_OR_RETURN(std::shared_ptr<const Wires> wires, LinkedWires(options));
  if (!options.warm_up) cache = nullptr;
  return std::make_shared<SelectingClient>(std::move(options), std::move(selector),
                                           std::move(broker), std::move(wires), cache);
}

}  // namespace micro
