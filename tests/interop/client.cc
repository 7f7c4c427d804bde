// The caller of the interop contract: one call, or many of the same. README.md tells what each
// prints.
#include <cstdio>
#include <map>

#include "core/async.h"
#include "core/errors.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "micro/debug/debug.micro.h"
#include "micro/debug/nodes.h"
#include "micro/service.h"
#include "registry/service_json.h"
#include "selector/report_text.h"
#include "tests/interop/greeter.micro.h"
#include "tests/interop/repeated_calls.h"

namespace {

using micro::Context;
using micro::Task;

struct Settings {
  std::string call = "hello", service = "helloworld", content_type, name = "John";
  int64_t ms = 100, n = 3, gap_ms = 0, size = 32, repeat = 1;
  double rate = 0;
  bool times = false, nodes = false;
  absl::Duration timeline = absl::ZeroDuration();
  std::string of;
  absl::Duration deadline = absl::ZeroDuration();
  std::vector<std::string> meta, nums = {"1", "2", "3"}, text = {"a", "b"};
};

class Caller {
 public:
  Caller(const Settings& settings, micro::Service& service)
      : settings_(settings), service_(service), greeter_(settings.service, service.client()) {
    options_.content_type = settings.content_type;
  }

  // The lines that the call prints, or its error.
  Task<absl::StatusOr<std::string>> Call(Context ctx) {
    if (settings_.deadline > absl::ZeroDuration())
      ctx = micro::WithTimeout(ctx, settings_.deadline);
    micro::Metadata metadata;
    for (const std::string& pair : settings_.meta) {
      const size_t equals = pair.find('=');
      if (equals == std::string::npos)
        co_return absl::InvalidArgumentError("--meta takes key=value,…");
      metadata.Set(pair.substr(0, equals), pair.substr(equals + 1));
    }
    ctx = micro::WithMetadata(ctx, std::move(metadata));
    if (settings_.call == "hello") co_return co_await Hello(ctx);
    if (settings_.call == "fail") co_return (co_await greeter_.Fail(ctx, {}, options_)).status();
    if (settings_.call == "sleep") co_return co_await Sleep(ctx);
    if (settings_.call == "echo") co_return co_await Echo(ctx);
    if (settings_.call == "meta") co_return co_await Meta(ctx);
    if (settings_.call == "count") co_return co_await Count(ctx);
    if (settings_.call == "sum") co_return co_await Sum(ctx);
    if (settings_.call == "chat") co_return co_await Chat(ctx);
    if (settings_.call == "list") co_return co_await List(ctx);
    if (settings_.call == "nodes") co_return co_await Nodes(ctx);
    if (settings_.call == "nosuch") co_return co_await NoSuch(ctx);
    co_return absl::InvalidArgumentError(
        "--call takes hello, fail, sleep, echo, meta, count, sum, chat, list, nodes or nosuch, "
        "not " +
        settings_.call);
  }

  // What this client knows of the service's nodes, or a service that is asked does.
  Task<absl::StatusOr<std::string>> Nodes(Context ctx) {
    if (!settings_.of.empty()) {
      const debug::DebugService debug(settings_.of, service_.client());
      debug::NodesRequest request;
      request.set_service(settings_.service);
      CO_ASSIGN_OR_RETURN(const debug::NodesResponse nodes,
                          co_await debug.Nodes(ctx, request, options_));
      const absl::Time now = micro::Clock::Real().Now();
      co_return ToText(micro::FromMessage(nodes, now), now);
    }
    CO_RETURN_IF_ERROR(co_await service_.selector()->Discover(ctx, settings_.service));
    CO_ASSIGN_OR_RETURN(const micro::selector::Report report,
                        service_.selector()->Describe(settings_.service));
    co_return ToText(report, micro::Clock::Real().Now());
  }

 private:
  Task<absl::StatusOr<std::string>> Hello(Context ctx) {
    helloworld::HelloRequest request;
    request.set_name(settings_.name);
    CO_ASSIGN_OR_RETURN(const helloworld::HelloResponse response,
                        co_await greeter_.Hello(ctx, request, options_));
    co_return response.greeting() + "\n";
  }

  Task<absl::StatusOr<std::string>> Sleep(Context ctx) {
    helloworld::SleepRequest request;
    request.set_ms(settings_.ms);
    const absl::Time start = micro::Clock::Real().Now();
    const auto response = co_await greeter_.Sleep(ctx, request, options_);
    const int64_t took = absl::ToInt64Milliseconds(micro::Clock::Real().Now() - start);
    const std::string line = "returned after " + std::to_string(took) + " ms\n";
    if (response.ok()) co_return line;
    std::printf("%s", line.c_str());
    co_return response.status();
  }

  Task<absl::StatusOr<std::string>> Echo(Context ctx) {
    helloworld::EchoMessage request;
    for (int64_t i = 0; i < settings_.size; ++i)
      request.mutable_payload()->push_back(static_cast<char>(i * 7));
    CO_ASSIGN_OR_RETURN(const helloworld::EchoMessage response,
                        co_await greeter_.Echo(ctx, request, options_));
    const bool same = response.payload() == request.payload();
    co_return "echo " + std::to_string(response.payload().size()) + (same ? " true\n" : " false\n");
  }

  Task<absl::StatusOr<std::string>> Meta(Context ctx) {
    CO_ASSIGN_OR_RETURN(const helloworld::MetaResponse response,
                        co_await greeter_.Meta(ctx, {}, options_));
    const std::map<std::string, std::string> sorted(response.metadata().begin(),
                                                    response.metadata().end());
    std::string lines;
    for (const auto& [key, value] : sorted) lines += key + "=" + value + "\n";
    co_return lines;
  }

  Task<absl::StatusOr<std::string>> Count(Context ctx) {
    helloworld::CountRequest request;
    request.set_n(settings_.n);
    request.set_gap_ms(settings_.gap_ms);
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Count(ctx, request, options_));
    std::string lines;
    while (true) {
      CO_ASSIGN_OR_RETURN(const std::optional<helloworld::CountResponse> response,
                          co_await stream.Recv());
      if (!response.has_value()) co_return lines + "EOF\n";
      lines += std::to_string(response->i()) + "\n";
    }
  }

  Task<absl::StatusOr<std::string>> Sum(Context ctx) {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Sum(ctx, options_));
    for (size_t i = 0; i < settings_.nums.size(); ++i) {
      helloworld::SumRequest request;
      request.set_n(std::atoll(settings_.nums[i].c_str()));
      request.set_last(i + 1 == settings_.nums.size());  // for a wire without half-close
      CO_RETURN_IF_ERROR(co_await stream.Send(request));
    }
    CO_ASSIGN_OR_RETURN(const helloworld::SumResponse response, co_await stream.CloseAndRecv());
    co_return "total " + std::to_string(response.total()) + "\n";
  }

  Task<absl::StatusOr<std::string>> Chat(Context ctx) {
    CO_ASSIGN_OR_RETURN(auto stream, co_await greeter_.Chat(ctx, options_));
    std::string lines;
    for (const std::string& text : settings_.text) {
      helloworld::ChatMessage message;
      message.set_text(text);
      CO_RETURN_IF_ERROR(co_await stream.Send(message));
      CO_ASSIGN_OR_RETURN(const std::optional<helloworld::ChatMessage> answer,
                          co_await stream.Recv());
      if (!answer.has_value()) co_return absl::InternalError("the stream ended early");
      lines += answer->text() + "\n";
    }
    const absl::Status closed = co_await stream.CloseSend();
    if (absl::IsUnimplemented(closed)) co_return lines;  // no half-close: leaving ends it
    CO_RETURN_IF_ERROR(closed);
    CO_ASSIGN_OR_RETURN(const std::optional<helloworld::ChatMessage> more, co_await stream.Recv());
    if (more.has_value()) co_return absl::InternalError("more answers than messages");
    co_return lines;
  }

  Task<absl::StatusOr<std::string>> List(Context ctx) {
    CO_ASSIGN_OR_RETURN(const std::vector<micro::registry::Service> all,
                        co_await service_.registry()->ListServices(ctx));
    std::string lines;
    std::string last;
    for (const micro::registry::Service& service : all) {
      if (service.name != last) lines += "service " + service.name + "\n";
      last = service.name;
    }
    CO_ASSIGN_OR_RETURN(const std::vector<micro::registry::Service> records,
                        co_await service_.registry()->GetService(ctx, settings_.service));
    for (const micro::registry::Service& record : records)
      lines += micro::registry::ToJson(record) + "\n";
    co_return lines;
  }

  // An endpoint that the service does not have; no generated client offers one.
  Task<absl::StatusOr<std::string>> NoSuch(Context ctx) {
    const helloworld::HelloRequest request;
    helloworld::HelloResponse response;
    CO_RETURN_IF_ERROR(co_await service_.client()->Call(
        ctx,
        {.service = settings_.service,
         .method = {.endpoint = "Greeter.Nosuch", .grpc_path = "/helloworld.Greeter/Nosuch"},
         .body = request},
        response, options_));
    co_return "an answer\n";
  }

  const Settings& settings_;
  micro::Service& service_;
  const helloworld::GreeterService greeter_;
  micro::CallOptions options_;
};

bool Print(const absl::StatusOr<std::string>& lines) {
  std::printf("%s\n", lines.ok() ? lines->substr(0, lines->size() - 1).c_str()
                                 : micro::errors::ToText(lines.status()).c_str());
  return lines.ok();
}

}  // namespace

int main(int argc, char** argv) {
  Settings s;
  interop::RepeatedCalls repeated;
  auto service = micro::NewService(
      {.name = "interop-client",
       .description = "Makes one call of the interop contract.",
       .call_wrappers = {repeated.Recorder()},
       .flags = {
           {"call", &s.call,
            "hello, fail, sleep, echo, meta, count, sum, chat, list, nodes … [hello]"},
           {"service", &s.service, "name of the service [helloworld]"},
           {"content_type", &s.content_type, "codec of the request [the wire's own]"},
           {"name", &s.name, "of hello [John]"},
           {"ms", &s.ms, "of sleep [100]"},
           {"deadline", &s.deadline, "of the call [none]"},
           {"size", &s.size, "of echo, in bytes [32]"},
           {"meta", &s.meta, "key=value,… sent with the call"},
           {"n", &s.n, "of count [3]"},
           {"gap_ms", &s.gap_ms, "of count [0]"},
           {"nums", &s.nums, "of sum [1,2,3]"},
           {"text", &s.text, "of chat [a,b]"},
           {"repeat", &s.repeat, "how many calls [1]"},
           {"rate", &s.rate, "calls a second, with --repeat [one after the other]"},
           {"times", &s.times,
            "print percentiles of the calls' times, of all and by node, with --repeat"},
           {"timeline", &s.timeline,
            "print what became of the calls of each period of this length, with --repeat"},
           {"nodes", &s.nodes, "print at the end what is known of the service's nodes"},
           {"of", &s.of, "of nodes: a service that tells what it knows [the client itself]"}}});
  service->Init(&argc, argv);

  Caller caller(s, *service);
  bool ok = true;
  if (s.repeat > 1) {
    const auto call = [&](Context ctx) -> Task<absl::Status> {
      co_return (co_await caller.Call(std::move(ctx))).status();
    };
    ok = micro::BlockOn(repeated.Run(
        Context(), {.repeat = s.repeat, .rate = s.rate, .times = s.times, .timeline = s.timeline},
        call));
  } else {
    ok = Print(micro::BlockOn(caller.Call(Context())));
  }
  if (s.nodes) ok = Print(micro::BlockOn(caller.Nodes(Context()))) && ok;
  return ok ? 0 : 1;
}
