#include "micro/client.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "core/async.h"
#include "core/errors.h"
#include "core/plugin_table.h"
#include "core/random.h"
#include "core/status_macros.h"
#include "micro/wire.h"

namespace micro {
namespace {

absl::Status ClientError(std::string detail, absl::StatusCode code, int micro_code = 500) {
  return errors::ToStatus({.id = std::string(errors::kClientId),
                           .code = micro_code,
                           .detail = std::move(detail),
                           .status = ""},
                          code);
}

absl::Status TimedOut(const absl::Status& ended) {
  return ClientError(fmt::format("call timeout: {}", std::string(ended.message())), ended.code(),
                     408);
}

// A stream that reports its end to the selector.
class PickedStream final : public RawStream {
 public:
  PickedStream(std::unique_ptr<RawStream> raw, std::optional<selector::Pick> pick)
      : raw_(std::move(raw)), pick_(std::move(pick)) {}

  Task<absl::Status> Send(codec::ConstBody message) override { return raw_->Send(message); }
  Task<absl::StatusOr<bool>> Recv(codec::Body message) override {
    absl::StatusOr<bool> more = co_await raw_->Recv(message);
    if (pick_.has_value() && (!more.ok() || !*more)) pick_->Done(more.status());
    co_return more;
  }
  Task<absl::Status> CloseSend() override { return raw_->CloseSend(); }
  void Cancel() override { raw_->Cancel(); }
  Task<Metadata> Header() override { return raw_->Header(); }
  Metadata Trailer() override { return raw_->Trailer(); }

 private:
  const std::unique_ptr<RawStream> raw_;
  std::optional<selector::Pick> pick_;
};

class SelectingClient final : public Client {
 public:
  using Wires = std::map<std::string, std::unique_ptr<ClientWire>, std::less<>>;

  SelectingClient(ClientOptions options, std::shared_ptr<selector::Selector> selector,
                  std::shared_ptr<broker::Broker> broker, Wires wires, ClientWire* default_wire)
      : options_(std::move(options)),
        selector_(std::move(selector)),
        broker_(std::move(broker)),
        wires_(std::move(wires)),
        default_wire_(default_wire) {
    if (!options_.call_wrappers.empty()) wrapped_ = Wrap(Plain(), options_.call_wrappers);
  }

  Task<absl::Status> Call(Context ctx, Request request, codec::Body response,
                          CallOptions options) override {
    if (ctx.deadline() == absl::InfiniteFuture()) {
      ctx = WithTimeout(ctx, options.request_timeout.value_or(options_.request_timeout));
    }
    if (!options.content_type.empty()) request.content_type = options.content_type;
    const CallFunc own = WrappedFor(options);
    const CallFunc& wrapped = own != nullptr ? own : wrapped_;
    const int retries = options.retries.value_or(options_.retries);
    const BackoffFunc& backoff = options.backoff != nullptr ? options.backoff : options_.backoff;
    const RetryFunc& retry = options.retry != nullptr ? options.retry : options_.retry;
    absl::Status failure;
    for (int attempt = 0;; ++attempt) {
      if (options.header != nullptr) *options.header = {};
      if (options.trailer != nullptr) *options.trailer = {};
      if (const absl::Duration pause = backoff(request, attempt); pause > absl::ZeroDuration()) {
        // Waiting past the deadline helps nobody: the last error is the better answer.
        if (attempt > 0 && pause >= ctx.remaining()) co_return failure;
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
      if (wrapped != nullptr) {
        failure = co_await wrapped(ctx, node, request, {.body = response}, options);
      } else {
        // As Attempt does, without a coroutine of its own: this is the path of most calls.
        absl::StatusOr<ClientWire*> wire = WireOf(node);
        if (!wire.ok()) co_return wire.status();
        const Request typed = Typed(request, options, **wire);
        const absl::Duration limit = AttemptLimit(options, **wire);
        failure = limit == absl::InfiniteDuration() || limit >= ctx.remaining()
                      ? co_await (*wire)->Call(ctx, node, typed, response)
                      : co_await (*wire)->Call(WithTimeout(ctx, limit), node, typed, response);
      }
      if (pick.has_value()) pick->Done(failure, IsUnsent(failure));
      if (failure.ok() || attempt >= retries || !retry(request, attempt, failure))
        co_return failure;
      if (const absl::Status ended = ctx.status(); !ended.ok()) co_return failure;
      options.select.avoid.push_back(node.id);
    }
  }

  Task<absl::StatusOr<std::unique_ptr<RawStream>>> Stream(Context ctx, Request request,
                                                          CallOptions options) override {
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
      co_return status;
    }
    co_return std::make_unique<PickedStream>(std::move(raw), std::move(pick));
  }

  Task<absl::Status> Publish(Context ctx, std::string topic, codec::ConstBody payload,
                             PublishOptions options) override {
    if (broker_ == nullptr)
      co_return absl::FailedPreconditionError("this client has no broker (flag --broker)");
    const std::string content_type = options.content_type.empty()
                                         ? std::string(DefaultContentType(*default_wire_))
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
    absl::StatusOr<ClientWire*> wire = WireOf(node);
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

  // The wire that the node says it speaks.
  absl::StatusOr<ClientWire*> WireOf(const registry::Node& node) const {
    const auto protocol = node.metadata.find("protocol");
    if (protocol == node.metadata.end()) return default_wire_;
    const auto wire = wires_.find(protocol->second);
    if (wire != wires_.end()) return wire->second.get();
    std::vector<std::string_view> linked;
    for (const auto& [name, unused] : wires_) linked.push_back(name);
    return ClientError(fmt::format("node {} speaks protocol \"{}\", linked are: {}", node.id,
                                   protocol->second, fmt::join(linked, ", ")),
                       absl::StatusCode::kUnimplemented);
  }

  // After a Select that failed: waits for discovery where that was all it lacked; else makes the
  // client's error of it.
  Task<absl::StatusOr<selector::Pick>> SelectAgain(const Context& ctx, const Request& request,
                                                   const selector::SelectOptions& select,
                                                   absl::StatusOr<selector::Pick> pick) {
    if (absl::IsFailedPrecondition(pick.status())) {
      const absl::Status found = co_await selector_->Discover(ctx, std::string(request.service));
      if (const absl::Status ended = ctx.status(); !found.ok() && !ended.ok())
        co_return TimedOut(ended);
      if (!found.ok()) co_return ClientError(std::string(found.message()), found.code());
      pick = selector_->Select(request.service, select,
                               {.endpoint = request.method.endpoint, .metadata = &ctx.metadata()});
      if (absl::IsFailedPrecondition(pick.status())) {
        co_return ClientError(fmt::format("service {}: not found", request.service),
                              absl::StatusCode::kNotFound);
      }
    }
    if (!pick.ok())
      co_return ClientError(std::string(pick.status().message()), pick.status().code());
    co_return pick;
  }

  const ClientOptions options_;
  const std::shared_ptr<selector::Selector> selector_;
  const std::shared_ptr<broker::Broker> broker_;
  const Wires wires_;
  ClientWire* const default_wire_;
  CallFunc wrapped_;
};

}  // namespace

absl::Duration ExponentialBackoff(const Request&, int attempt) {
  if (attempt <= 0) return absl::ZeroDuration();
  const double longest = attempt >= 14 ? 120.0 : 0.1 * std::floor(std::pow(attempt, M_E));
  return absl::Seconds(longest * (0.5 + 0.5 * RandomUnit()));
}

bool RetryOnError(const Request&, int, const absl::Status& error) {
  return errors::FromStatus(error).code == 408;
}

bool RetryOnErrorOrUnsent(const Request& request, int attempt, const absl::Status& error) {
  return IsUnsent(error) || RetryOnError(request, attempt, error);
}

bool RetryAlways(const Request&, int, const absl::Status&) { return true; }

absl::StatusOr<std::shared_ptr<Client>> NewClient(ClientOptions options,
                                                  std::shared_ptr<selector::Selector> selector,
                                                  std::shared_ptr<broker::Broker> broker) {
  if (options.wire.empty()) options.wire = "grpc";
  SelectingClient::Wires wires;
  ClientWire* default_wire = nullptr;
  // Asked for by name first, so that an unknown name is said.
  ASSIGN_OR_RETURN(std::unique_ptr<ClientWire> first,
                   PluginTable<ClientWire>::Create(options.wire, options));
  default_wire = first.get();
  wires.emplace(first->protocol(), std::move(first));
  for (const std::string& name : PluginTable<ClientWire>::Names()) {
    if (name == options.wire) continue;
    ASSIGN_OR_RETURN(std::unique_ptr<ClientWire> wire,
                     PluginTable<ClientWire>::Create(name, options));
    wires.try_emplace(std::string(wire->protocol()), std::move(wire));
  }
  return std::make_shared<SelectingClient>(std::move(options), std::move(selector),
                                           std::move(broker), std::move(wires), default_wire);
}

}  // namespace micro
