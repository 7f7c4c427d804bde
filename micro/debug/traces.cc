#include "micro/debug/traces.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/random.h"
#include "core/strings.h"

namespace micro {
namespace {

// The context of `span`'s work: what is called from there belongs to it.
Context Begin(const Context& ctx, const Request& request, Span& span) {
  const auto clipped = [&](std::string_view key) {
    return std::string(ctx.metadata().Get(key).value_or("").substr(0, Traces::kLongest));
  };
  span.trace = clipped(headers::kTraceId);
  span.parent = clipped(headers::kSpanId);
  // As in go-micro: HTTP RPC's id of the call stands in where its caller traced without saying more.
  if (span.trace.empty() && !span.parent.empty()) span.trace = clipped(headers::kId);
  if (span.trace.empty()) span.trace = RandomUuid();
  span.id = RandomUuid();
  span.name = absl::StrCat(ToAbsl(request.service), ".", ToAbsl(request.method.endpoint));
  Metadata metadata = ctx.metadata();
  metadata.Set(headers::kTraceId, span.trace);
  metadata.Set(headers::kSpanId, span.id);
  span.started = Clock::Real().Now();
  return WithMetadata(ctx, std::move(metadata));
}

void End(Traces& traces, Span span, const absl::Status& status) {
  span.duration = Clock::Real().Now() - span.started;
  if (!status.ok()) span.error = errors::FromStatus(status).detail;
  traces.Add(std::move(span));
}

bool AsksForDebug(const Request& request) { return request.method.endpoint.starts_with("Debug."); }

}  // namespace

std::vector<std::shared_ptr<const Span>> Traces::Read(std::string_view trace) const {
  std::vector<std::shared_ptr<const Span>> found;
  MutexLock lock(mutex_);
  std::copy_if(spans_.begin(), spans_.end(), std::back_inserter(found),
               [&](const auto& span) { return trace.empty() || span->trace == trace; });
  return found;
}

void Traces::Add(Span span) {
  auto added = std::make_shared<const Span>(std::move(span));
  std::shared_ptr<const Span> oldest;  // freed without the lock
  MutexLock lock(mutex_);
  if (spans_.size() == kSpans) {
    oldest = std::move(spans_.front());
    spans_.pop_front();
  }
  spans_.push_back(std::move(added));
}

HandlerWrapper TraceHandler(std::shared_ptr<Traces> traces) {
  return [traces = std::move(traces)](HandlerFunc next) -> HandlerFunc {
    return [traces, next = std::move(next)](const Context& ctx, const Request& request,
                                            Response response) -> Task<absl::Status> {
      if (AsksForDebug(request)) co_return co_await next(ctx, request, response);
      Span span;
      const Context traced = Begin(ctx, request, span);
      absl::Status status = co_await next(traced, request, response);
      End(*traces, std::move(span), status);
      co_return status;
    };
  };
}

CallWrapper TraceCall(std::shared_ptr<Traces> traces) {
  return [traces = std::move(traces)](CallFunc next) -> CallFunc {
    return [traces, next = std::move(next)](const Context& ctx, const registry::Node& node,
                                            const Request& request, CallResponse response,
                                            const CallOptions& options) -> Task<absl::Status> {
      if (AsksForDebug(request)) co_return co_await next(ctx, node, request, response, options);
      Span span{.outbound = true, .node = node.id};
      const Context traced = Begin(ctx, request, span);
      absl::Status status = co_await next(traced, node, request, response, options);
      End(*traces, std::move(span), status);
      co_return status;
    };
  };
}

}  // namespace micro
