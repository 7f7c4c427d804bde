#include "micro/debug/debug_endpoints.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "core/async.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/lane.h"
#include "core/log_records.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "micro/debug/debug.micro.h"
#include "micro/debug/nodes.h"

namespace micro {
namespace {

constexpr absl::Duration kFollowEvery = absl::Milliseconds(200);
constexpr size_t kFollowedFrom = 10;  // go-micro's: so many lines come before those that follow

uint64_t ResidentBytes() {
  uint64_t total = 0, resident = 0;  // pages
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

uint64_t Threads() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("Threads:")) return std::strtoull(line.c_str() + 8, nullptr, 10);
  }
  return 0;
}

debug::Record ToMessage(const log::Record& record) {
  debug::Record message;
  message.set_timestamp(absl::ToUnixSeconds(record.time));
  message.set_message(ValidUtf8(record.message));
  for (const auto& [key, value] : record.fields)
    (*message.mutable_metadata())[ValidUtf8(key)] = ValidUtf8(value);
  (*message.mutable_metadata())["level"] = std::string(record.level);
  return message;
}

debug::Span ToMessage(const Span& span) {
  debug::Span message;
  message.set_trace(ValidUtf8(span.trace));
  message.set_id(span.id);
  message.set_parent(ValidUtf8(span.parent));
  message.set_name(ValidUtf8(span.name));
  message.set_started(static_cast<uint64_t>(absl::ToUnixNanos(span.started)));
  message.set_duration(static_cast<uint64_t>(absl::ToInt64Nanoseconds(span.duration)));
  message.set_type(span.outbound ? debug::OUTBOUND : debug::INBOUND);
  auto& metadata = *message.mutable_metadata();
  if (!span.node.empty()) metadata["node"] = ValidUtf8(span.node);
  if (!span.error.empty()) metadata["error"] = ValidUtf8(span.error);
  return message;
}

using Records = std::vector<std::shared_ptr<const log::Record>>;

// What a request asks for of the records that are kept.
Records Asked(const debug::LogRequest& request, Records records) {
  const absl::Time since = absl::FromUnixSeconds(std::max<int64_t>(request.since(), 0));
  const auto older = [&](const auto& record) { return record->time < since; };
  records.erase(records.begin(), std::find_if_not(records.begin(), records.end(), older));
  size_t count = records.size();
  if (request.count() > 0) {
    count = static_cast<size_t>(std::min<int64_t>(request.count(), log::kRecords));
  } else if (request.stream() && request.since() <= 0) {
    count = kFollowedFrom;
  }
  if (count < records.size())
    records.erase(records.begin(), records.end() - static_cast<std::ptrdiff_t>(count));
  return records;
}

}  // namespace

struct DebugEndpoints::State {
  struct alignas(kCacheLine) Counts {
    std::atomic<uint64_t> requests = 0, errors = 0;
  };

  std::shared_ptr<selector::Selector> selector;
  std::shared_ptr<const Traces> traces;
  const Server* server = nullptr;
  absl::Time started = Clock::Real().Now();
  std::atomic<bool> stopping = false;
  Counts counts[kLanes];
};

class DebugEndpoints::Answers final : public debug::DebugHandler {
 public:
  explicit Answers(std::shared_ptr<State> state) : state_(std::move(state)) {}

  Task<absl::Status> Health(const Context&, const debug::HealthRequest&,
                            debug::HealthResponse& response) override {
    const absl::Status ready = state_->server->readiness();
    response.set_status(ready.ok() ? "ok"
                                   : ValidUtf8("not ready: " + std::string(ready.message())));
    co_return absl::OkStatus();
  }

  Task<absl::Status> Stats(const Context&, const debug::StatsRequest&,
                           debug::StatsResponse& response) override {
    const absl::Time now = Clock::Real().Now();
    response.set_timestamp(static_cast<uint64_t>(absl::ToUnixSeconds(now)));
    response.set_started(static_cast<uint64_t>(absl::ToUnixSeconds(state_->started)));
    response.set_uptime(static_cast<uint64_t>(absl::ToInt64Seconds(now - state_->started)));
    response.set_memory(ResidentBytes());
    response.set_threads(Threads());
    uint64_t requests = 0, errors = 0;
    for (const State::Counts& counts : state_->counts) {
      requests += counts.requests.load(std::memory_order_relaxed);
      errors += counts.errors.load(std::memory_order_relaxed);
    }
    response.set_requests(requests);
    response.set_errors(errors);
    co_return absl::OkStatus();
  }

  Task<absl::Status> Log(const Context& ctx, const debug::LogRequest& request,
                         SendStream<debug::Record>& stream) override {
    Records records = log::RecordsAfter(0);
    int64_t last = records.empty() ? 0 : records.back()->number;
    records = Asked(request, std::move(records));
    while (true) {
      for (const auto& record : records) {
        CO_RETURN_IF_ERROR(co_await stream.Send(ToMessage(*record)));
        last = record->number;
      }
      if (!request.stream()) co_return absl::OkStatus();
      // Asked for now and then: a write of the log wakes nobody and never waits for a caller.
      CO_RETURN_IF_ERROR(co_await Sleep(ctx, kFollowEvery));
      if (state_->stopping) co_return absl::OkStatus();
      records = log::RecordsAfter(last);
    }
  }

  Task<absl::Status> Trace(const Context&, const debug::TraceRequest& request,
                           debug::TraceResponse& response) override {
    for (const auto& span : state_->traces->Read(request.id()))
      *response.add_spans() = ToMessage(*span);
    co_return absl::OkStatus();
  }

  Task<absl::Status> Nodes(const Context&, const debug::NodesRequest& request,
                           debug::NodesResponse& response) override {
    if (request.service().empty())
      co_return errors::BadRequest("debug", "Debug.Nodes needs the name of a service");
    CO_ASSIGN_OR_RETURN(const selector::Report report,
                        state_->selector->Describe(request.service()));
    response = micro::ToMessage(report, Clock::Real().Now());
    co_return absl::OkStatus();
  }

 private:
  const std::shared_ptr<State> state_;
};

DebugEndpoints::DebugEndpoints(std::shared_ptr<selector::Selector> selector,
                               std::shared_ptr<const Traces> traces)
    : state_(std::make_shared<State>()) {
  state_->selector = std::move(selector);
  state_->traces = std::move(traces);
  log::KeepRecords();
}

HandlerWrapper DebugEndpoints::Counter() const {
  return [state = state_](HandlerFunc next) -> HandlerFunc {
    return [state, next = std::move(next)](const Context& ctx, const Request& request,
                                           Response response) -> Task<absl::Status> {
      absl::Status status = co_await next(ctx, request, response);
      State::Counts& counts = state->counts[ThisLane()];
      counts.requests.fetch_add(1, std::memory_order_relaxed);
      if (!status.ok()) counts.errors.fetch_add(1, std::memory_order_relaxed);
      co_return status;
    };
  };
}

void DebugEndpoints::AddTo(Server& server) const {
  state_->server = &server;
  debug::RegisterDebugHandler(server, std::make_shared<Answers>(state_), {.internal = true});
}

void DebugEndpoints::EndStreams() { state_->stopping = true; }

}  // namespace micro
