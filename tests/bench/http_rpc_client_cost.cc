// What a call costs a client of the HTTP RPC wire, over the bare epoll loop below which no client
// can go: the same calls to the same light server, which reads and answers and does nothing else,
// from clients in processes of their own. `wire` is the wire alone, `sdk` what a program calls.
// Prints client CPU µs per call; each number also as `figure NAME VALUE UNIT`.
//
//   bazel run -c opt //tests/bench:http_rpc_client_cost [-- --rounds=5 --seconds=1 --only=sdk]
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "core/log.h"
#include "core/net/loops.h"
#include "core/plugin_table.h"
#include "core/task_scope.h"
#include "micro/service.h"
#include "micro/wire.h"
#include "tests/bench/echo.micro.h"
#include "tests/bench/figure.h"

namespace bench {
namespace {

using micro::Context;
using micro::Task;

constexpr int kPayload = 32;

void Check(bool ok) {
  if (!ok) std::perror("http_rpc_client_cost"), std::abort();
}

EchoMessage Message() {
  EchoMessage message;
  message.set_payload(std::string(kPayload, 'x'));
  return message;
}

double Seconds(clockid_t clock) {
  timespec time = {};
  Check(clock_gettime(clock, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// ---- The server: one answer for each read ----

[[noreturn]] void Serve(FILE* out) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  Check(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0);
  Check(listen(listener, 1000) == 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  epoll_event event = {.events = EPOLLIN, .data = {.fd = listener}};
  Check(epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event) == 0);
  std::fprintf(out, "%d\n", ntohs(address.sin_port));
  std::fflush(out);
  const std::string body = Message().SerializeAsString();
  const std::string answer =
      fmt::format(
          "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nAccept: application/protobuf\r\n"
          "Content-Type: application/protobuf\r\nMicro-Endpoint: Echo.Echo\r\n"
          "Micro-Id: 1234\r\nMicro-Method: Echo.Echo\r\nMicro-Service: echo\r\n"
          "Timeout: 5000000000\r\nUser-Agent: Go-http-client/1.1\r\n\r\n",
          body.size()) +
      body;
  while (true) {
    epoll_event events[64];
    const int count = epoll_wait(poll, events, 64, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listener) {
        epoll_event added = {.events = EPOLLIN, .data = {.fd = accept(listener, nullptr, nullptr)}};
        const int on = 1;
        setsockopt(added.data.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        Check(epoll_ctl(poll, EPOLL_CTL_ADD, added.data.fd, &added) == 0);
        continue;
      }
      char buffer[4096];
      if (recv(fd, buffer, sizeof(buffer), 0) <= 0) {
        close(fd);
        continue;
      }
      send(fd, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }
}

// ---- Clients: how many calls they made in a time ----

int64_t CallRaw(int port, int in_flight, double seconds) {
  const std::string request(340, 'x');
  const int poll = epoll_create1(0);
  const sockaddr_in address = Loopback(port);
  for (int i = 0; i < in_flight; ++i) {
    epoll_event event = {.events = EPOLLIN, .data = {.fd = socket(AF_INET, SOCK_STREAM, 0)}};
    const int fd = event.data.fd, on = 1;
    Check(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    Check(epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) == 0);
    Check(send(fd, request.data(), request.size(), 0) > 0);
  }
  int64_t calls = 0;
  for (const double begin = Seconds(CLOCK_MONOTONIC); Seconds(CLOCK_MONOTONIC) - begin < seconds;) {
    epoll_event events[64];
    const int count = epoll_wait(poll, events, 64, -1);
    for (int i = 0; i < count; ++i, ++calls) {
      char buffer[4096];
      Check(recv(events[i].data.fd, buffer, sizeof(buffer), 0) > 0);
      Check(send(events[i].data.fd, request.data(), request.size(), 0) > 0);
    }
  }
  return calls;
}

// Calls from `in_flight` coroutines of one loop.
template <class Call>
int64_t CallInALoop(int in_flight, double seconds, Call call) {
  std::atomic<int64_t> calls = 0;
  const double begin = Seconds(CLOCK_MONOTONIC);
  const auto again = [&]() -> Task<void> {
    co_await micro::net::Loops::Default()[0].Enter();
    int64_t own = 0;
    for (; Seconds(CLOCK_MONOTONIC) - begin < seconds; ++own) co_await call();
    calls += own;
  };
  micro::TaskScope scope;
  for (int i = 0; i < in_flight; ++i) micro::Spawn(scope, again());
  scope.Join();
  return calls;
}

int64_t CallWire(int port, int in_flight, double seconds) {
  const auto wire = *micro::PluginTable<micro::ClientWire>::Create("rpc", {});
  const micro::registry::Node node{.id = "echo-1", .address = fmt::format("127.0.0.1:{}", port)};
  const auto call = [&]() -> Task<void> {
    const EchoMessage request = Message();
    EchoMessage response;
    const absl::Status status = co_await wire->Call(WithTimeout(Context(), absl::Seconds(5)), node,
                                                    {.service = "echo",
                                                     .method = {.endpoint = "Echo.Echo"},
                                                     .content_type = "application/protobuf",
                                                     .body = request},
                                                    response);
    if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str()), std::abort();
  };
  return CallInALoop(in_flight, seconds, call);
}

int64_t CallSdk(int port, int in_flight, double seconds) {
  auto service =
      micro::NewService({.name = "caller",
                         .client = {.wire = "rpc", .content_type = "application/protobuf"},
                         .registry = "memory",
                         .selector = "random",
                         .handle_signals = false});
  const micro::registry::Service record{.name = "echo",
                                        .version = "latest",
                                        .nodes = {{.id = "echo-1",
                                                   .address = fmt::format("127.0.0.1:{}", port),
                                                   .metadata = {{"protocol", "mucp"}}}}};
  Check(micro::BlockOn(service->registry()->Register(Context(), record, {})).ok());
  EchoService echo("echo", service->client());
  const EchoMessage request = Message();
  const auto call = [&]() -> Task<void> {
    const absl::StatusOr<EchoMessage> response = co_await echo.Echo(Context(), request);
    if (!response.ok())
      std::fprintf(stderr, "%s\n", response.status().ToString().c_str()), std::abort();
  };
  return CallInALoop(in_flight, seconds, call);
}

// A process of this program that prints one line, and then waits to be killed.
struct Child {
  pid_t pid;
  FILE* out;
};

template <class Role>
Child Start(Role role) {
  int ends[2];
  Check(pipe(ends) == 0);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    FILE* out = fdopen(ends[1], "w");
    role(out);
    std::fflush(out);
    while (true) pause();
  }
  close(ends[1]);
  return {pid, fdopen(ends[0], "r")};
}

void End(const Child& child) {
  kill(child.pid, SIGKILL);
  waitpid(child.pid, nullptr, 0);
  std::fclose(child.out);
}

struct Sample {
  double cpu_us, qps;
};

Sample Measure(const std::string& kind, int port, int in_flight, double seconds) {
  const Child client = Start([&](FILE* out) {
    const auto calls = kind == "raw" ? CallRaw : kind == "wire" ? CallWire : CallSdk;
    calls(port, in_flight, seconds / 4);  // warms up
    const double cpu = Seconds(CLOCK_PROCESS_CPUTIME_ID), begin = Seconds(CLOCK_MONOTONIC);
    const auto made = static_cast<double>(calls(port, in_flight, seconds));
    std::fprintf(out, "%lf %lf\n", (Seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e6 / made,
                 made / (Seconds(CLOCK_MONOTONIC) - begin));
  });
  Sample sample = {};
  Check(std::fscanf(client.out, "%lf %lf", &sample.cpu_us, &sample.qps) == 2);
  End(client);
  return sample;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Main(int argc, char** argv) {
  (void)micro::log::Configure("warn", "");
  int rounds = 5;
  double seconds = 1;
  char only[8] = "";
  for (int i = 1; i < argc; ++i) {
    if (std::sscanf(argv[i], "--rounds=%d", &rounds) == 1 ||
        std::sscanf(argv[i], "--seconds=%lf", &seconds) == 1 ||
        std::sscanf(argv[i], "--only=%7s", only) == 1)
      continue;
    std::fprintf(stderr,
                 "http_rpc_client_cost: unknown argument %s; known: --rounds=N --seconds=S "
                 "--only=sdk\n",
                 argv[i]);
    return 1;
  }
  std::vector<std::string> kinds = {"raw", "wire", "sdk"};
  if (*only != '\0') kinds = {only};
  const Child server = Start(Serve);
  int port = 0;
  Check(std::fscanf(server.out, "%d", &port) == 1);
  std::printf("%10s %5s %10s %14s\n", "in flight", "impl", "calls/s", "client us");
  for (const int in_flight : {1, 16, 64}) {
    std::map<std::string, std::vector<double>> cpu, qps;
    for (int round = 0; round < rounds; ++round) {
      for (const std::string& kind : kinds) {
        const Sample sample = Measure(kind, port, in_flight, seconds);
        cpu[kind].push_back(sample.cpu_us);
        qps[kind].push_back(sample.qps);
      }
    }
    for (const std::string& kind : kinds) {
      std::printf("%10d %5s %10.0f %14.2f\n", in_flight, kind.c_str(), Median(qps[kind]),
                  Median(cpu[kind]));
      const std::string name = fmt::format("http_rpc_client_cost.c{}.{}", in_flight, kind);
      PrintFigure(name + ".client_cpu", Median(cpu[kind]), "us/call");
      PrintFigure(name + ".qps", Median(qps[kind]), "calls/s");
    }
    std::fflush(stdout);
  }
  End(server);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
