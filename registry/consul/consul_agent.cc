#include "registry/consul/consul_agent.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/log.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace micro::registry::consul {
namespace {

constexpr absl::Duration kDefaultTimeout = absl::Seconds(5);

// What Consul said with an error, on one line.
std::string TextOf(const HttpAnswer& answer) {
  constexpr size_t kShown = 300;
  std::string text = answer.body.substr(0, kShown);
  text.erase(text.find_last_not_of(" \r\n") + 1);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return fmt::format("HTTP {}{}{}", answer.status, text.empty() ? "" : ": ", text);
}

// Without a leader an agent that has just started may not yet know what it once knew.
bool IsLeaderless(const HttpAnswer& answer) {
  return answer.status == 200 && !answer.has_leader && answer.body.find('"') == std::string::npos;
}

// The agent is in trouble; another may not be.
bool IsAgentsFailure(const HttpAnswer& answer) {
  return answer.status >= 500 || answer.status == 429 || IsLeaderless(answer);
}

// Why an address cannot be used, if so.
absl::Status FailureOf(const absl::StatusOr<HttpAnswer>& answer, const std::string& url) {
  if (!answer.ok()) return answer.status();
  if (!IsAgentsFailure(*answer)) return absl::OkStatus();
  return absl::UnavailableError(
      fmt::format("{}: {}", url, IsLeaderless(*answer) ? "No cluster leader" : TextOf(*answer)));
}

absl::Status StatusOf(const HttpAnswer& answer, const std::string& url) {
  if (answer.status >= 200 && answer.status < 300) return absl::OkStatus();
  const std::string text = fmt::format("registry \"consul\": {} answers {}", url, TextOf(answer));
  switch (answer.status) {
    case 401:
    case 403:
      return absl::PermissionDeniedError(text + " (flag --registry_token)");
    case 404:
      return absl::NotFoundError(text);
    case 400:
      return absl::InvalidArgumentError(text);
    default:
      return absl::UnavailableError(text + " (flag --registry_address)");
  }
}

std::string Milliseconds(absl::Duration duration) {
  return fmt::format("{}ms", absl::ToInt64Milliseconds(duration));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Agent>> Agent::Open(const Options& options) {
  ASSIGN_OR_RETURN(const std::vector<Address> addresses, AddressesOf(options));
  std::vector<std::unique_ptr<AgentLink>> links;
  for (const Address& address : addresses) {
    ASSIGN_OR_RETURN(std::unique_ptr<AgentLink> link, AgentLink::Open(address, options));
    links.push_back(std::move(link));
  }
  return std::unique_ptr<Agent>(new Agent(std::move(links), options));
}

Agent::Agent(std::vector<std::unique_ptr<AgentLink>> links, const Options& options)
    : links_(std::move(links)),
      timeout_(options.timeout > absl::ZeroDuration() ? options.timeout : kDefaultTimeout),
      datacenter_(options.datacenter) {}

absl::Status Agent::Unavailable(std::string_view reasons) const {
  return absl::UnavailableError(
      fmt::format("registry \"consul\": {} (flag --registry_address)", reasons));
}

void Agent::Switch(AddressIndex from, AddressIndex to) {
  if (from == to || !current_.compare_exchange_strong(from, to)) return;
  log::Warn("a Consul agent does not answer; going on with the next",
            {{"agent", url(from)}, {"next", url(to)}});
}

Task<absl::StatusOr<HttpAnswer>> Agent::SendTo(AddressIndex address, Context ctx,
                                               HttpRequest request, absl::Duration wait) {
  // Consul waits for up to a sixteenth longer than it is asked to.
  const absl::Duration limit = timeout_ + wait * 17 / 16;
  absl::StatusOr<HttpAnswer> answer = absl::UnknownError("");
  for (int attempt = 0; attempt < 2; ++attempt) {
    answer = co_await links_[address]->Send(WithTimeout(ctx, limit), request);
    if (!absl::IsAborted(answer.status())) break;
  }
  if (answer.ok()) co_return answer;
  CO_RETURN_IF_ERROR(ctx.status());
  if (absl::IsDeadlineExceeded(answer.status())) {
    co_return absl::UnavailableError(
        fmt::format("{}: no answer within {} (flag --registry_timeout)", url(address),
                    absl::FormatDuration(limit)));
  }
  co_return absl::UnavailableError(
      fmt::format("{}: {}", url(address), std::string(answer.status().message())));
}

Task<absl::StatusOr<Agent::Sent>> Agent::Send(Context ctx, HttpRequest request) {
  const AddressIndex first = current();
  std::string reasons;
  for (size_t turn = 0; turn < links_.size(); ++turn) {
    const AddressIndex address = (first + turn) % links_.size();
    absl::StatusOr<HttpAnswer> answer =
        co_await SendTo(address, ctx, request, absl::ZeroDuration());
    CO_RETURN_IF_ERROR(ctx.status());
    const absl::Status failure = FailureOf(answer, url(address));
    if (failure.ok()) {
      Switch(first, address);
      co_return Sent{*std::move(answer), address};
    }
    if (!reasons.empty()) reasons += "; ";
    reasons += ToStd(failure.message());
  }
  co_return Unavailable(reasons);
}

Task<absl::StatusOr<HttpAnswer>> Agent::Wait(Context ctx, HttpRequest request,
                                             absl::Duration wait) {
  const AddressIndex address = current();
  absl::StatusOr<HttpAnswer> answer = co_await SendTo(address, ctx, std::move(request), wait);
  CO_RETURN_IF_ERROR(ctx.status());
  const absl::Status failure = FailureOf(answer, url(address));
  if (!failure.ok()) {
    Switch(address, (address + 1) % links_.size());
    co_return Unavailable(ToStd(failure.message()));
  }
  CO_RETURN_IF_ERROR(StatusOf(*answer, url(address)));
  co_return answer;
}

Task<absl::StatusOr<AddressIndex>> Agent::Register(Context ctx, std::string json,
                                                   bool drop_checks) {
  std::string path = "/v1/agent/service/register";
  if (drop_checks) path += "?replace-existing-checks=true";
  CO_ASSIGN_OR_RETURN(
      const Sent sent,
      co_await Send(ctx, {.put = true, .path = std::move(path), .body = std::move(json)}));
  CO_RETURN_IF_ERROR(StatusOf(sent.answer, url(sent.address)));
  co_return sent.address;
}

Task<absl::Status> Agent::Deregister(Context ctx, std::string id) {
  CO_ASSIGN_OR_RETURN(
      const Sent sent,
      co_await Send(ctx, {.put = true, .path = "/v1/agent/service/deregister/" + Escape(id)}));
  absl::Status status = StatusOf(sent.answer, url(sent.address));
  co_return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

Task<absl::Status> Agent::DeregisterAt(Context ctx, std::string id, AddressIndex address) {
  const absl::StatusOr<HttpAnswer> answer = co_await SendTo(
      address, ctx, {.put = true, .path = "/v1/agent/service/deregister/" + Escape(id)},
      absl::ZeroDuration());
  CO_RETURN_IF_ERROR(ctx.status());
  if (!answer.ok()) co_return Unavailable(ToStd(answer.status().message()));
  absl::Status status = StatusOf(*answer, url(address));
  co_return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

Task<absl::Status> Agent::PassCheck(Context ctx, std::string id) {
  const AddressIndex address = current();
  const absl::StatusOr<HttpAnswer> answer = co_await SendTo(
      address, ctx, {.put = true, .path = "/v1/agent/check/pass/service:" + Escape(id)},
      absl::ZeroDuration());
  CO_RETURN_IF_ERROR(ctx.status());
  if (answer.ok()) {
    // Agents say with 404, or before 1.11 with 500, that they have no such check.
    if (answer->status == 404 || IsAgentsFailure(*answer))
      co_return absl::NotFoundError(TextOf(*answer));
    co_return StatusOf(*answer, url(address));
  }
  const AddressIndex next = (address + 1) % links_.size();
  if (next == address) co_return Unavailable(ToStd(answer.status().message()));
  Switch(address, next);  // which does not have the check
  co_return absl::NotFoundError(answer.status().message());
}

Task<absl::StatusOr<HttpAnswer>> Agent::Local(Context ctx, std::string id, std::string hash,
                                              absl::Duration wait) {
  std::string path = "/v1/agent/service/" + Escape(id);
  if (!hash.empty()) path += "?hash=" + Escape(hash) + "&wait=" + Milliseconds(wait);
  return Wait(std::move(ctx), {.path = std::move(path)}, wait);
}

Task<absl::StatusOr<HttpAnswer>> Agent::Query(Context ctx, std::string path, After after) {
  path += "?stale";
  if (!datacenter_.empty()) path += "&dc=" + Escape(datacenter_);
  if (after.index != 0) {
    path += fmt::format("&index={}&wait={}", after.index, Milliseconds(after.wait));
    co_return co_await Wait(ctx, {.path = std::move(path)}, after.wait);
  }
  CO_ASSIGN_OR_RETURN(Sent sent, co_await Send(ctx, {.path = std::move(path)}));
  CO_RETURN_IF_ERROR(StatusOf(sent.answer, url(sent.address)));
  co_return std::move(sent.answer);
}

Task<absl::StatusOr<HttpAnswer>> Agent::Health(Context ctx, std::string name, After after) {
  return Query(std::move(ctx), "/v1/health/service/" + Escape(name), after);
}

Task<absl::StatusOr<HttpAnswer>> Agent::Catalog(Context ctx, After after) {
  return Query(std::move(ctx), "/v1/catalog/services", after);
}

Task<absl::StatusOr<HttpAnswer>> Agent::CriticalChecks(Context ctx) {
  return Query(std::move(ctx), "/v1/health/state/critical", {});
}

}  // namespace micro::registry::consul
