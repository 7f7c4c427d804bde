// What a call costs a server of the HTTP RPC wire, over the bare epoll loop below which no server
// can go: the same requests, as a go-micro client writes them, sent by a light generator to both,
// each in a process of its own. Prints server CPU µs per call; each number also as `figure NAME
// VALUE UNIT`.
//
//   bazel run -c opt //tests/bench:http_rpc_cost [-- --rounds=5 --seconds=1 --only=sdk]
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
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
#include "micro/rpc/rpc_server.h"
#include "tests/bench/echo.pb.h"
#include "tests/bench/figure.h"

namespace bench {
namespace {

constexpr int kPayload = 32;

std::string Request() {
  EchoMessage message;
  message.set_payload(std::string(kPayload, 'x'));
  const std::string body = message.SerializeAsString();
  return fmt::format(
             "POST / HTTP/1.1\r\nHost: 127.0.0.1:46289\r\nUser-Agent: Go-http-client/1.1\r\n"
             "Content-Length: {}\r\nAccept: application/protobuf\r\n"
             "Content-Type: application/protobuf\r\nMicro-Endpoint: Echo.Echo\r\n"
             "Micro-Id: 1234\r\nMicro-Method: Echo.Echo\r\nMicro-Service: echo\r\n"
             "Timeout: 5000000000\r\n\r\n",
             body.size()) +
         body;
}

void Check(bool ok) {
  if (!ok) std::perror("http_rpc_cost"), std::abort();
}

// ---- Servers ----

micro::Task<absl::Status> Echo(const EchoMessage& request, EchoMessage& response) {
  response.set_payload(request.payload());
  co_return absl::OkStatus();
}

void ServeSdk(FILE* out) {
  static micro::net::Loops& loops = *new micro::net::Loops(1);
  std::vector<micro::ServedEndpoint> endpoints;
  endpoints.push_back({.handler = "Echo",
                       .endpoint = micro::UnaryEndpoint<EchoMessage, EchoMessage>(
                           {.endpoint = "Echo.Echo"},
                           [](const micro::Context&, const EchoMessage& request,
                              EchoMessage& response) { return Echo(request, response); })});
  static auto& wire = *micro::rpc::NewRpcServer({.name = "echo"}, {}, loops).release();
  const auto port = wire.Start("127.0.0.1", 0, std::move(endpoints));
  std::fprintf(out, "%d\n", port.value());
}

// One read, one write, and nothing between but counting requests of a known size.
void ServeRaw(FILE* out) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0), poll = epoll_create1(0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  Check(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
  Check(listen(listener, 1000) == 0);
  socklen_t size = sizeof(address);
  getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  epoll_event event = {.events = EPOLLIN, .data = {.fd = listener}};
  Check(epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event) == 0);
  std::fprintf(out, "%d\n", ntohs(address.sin_port));
  std::fflush(out);
  const size_t request = Request().size();
  std::string answers;
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 34\r\n" + std::string(270, 'x') +
                             "\r\n\r\n" + std::string(34, 'x');
  std::map<int, size_t> rest;
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
      char buffer[64 << 10];
      const ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
      if (got <= 0) {
        close(fd);
        continue;
      }
      size_t& left = rest[fd];
      left += static_cast<size_t>(got);
      answers.clear();
      for (; left >= request; left -= request) answers += answer;
      Check(send(fd, answers.data(), answers.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(answers.size()));
    }
  }
}

struct Server {
  pid_t pid;
  int port;
};

Server Start(const std::string& kind) {
  int ends[2];
  Check(pipe(ends) == 0);
  const pid_t pid = fork();
  if (pid == 0) {
    FILE* out = fdopen(ends[1], "w");
    if (kind == "raw") ServeRaw(out);
    ServeSdk(out);
    std::fflush(out);
    while (true) pause();
  }
  close(ends[1]);
  FILE* in = fdopen(ends[0], "r");
  int port = 0;
  Check(std::fscanf(in, "%d", &port) == 1);
  return {pid, port};
}

double CpuSeconds(pid_t pid) {
  clockid_t clock;
  timespec time = {};
  Check(clock_getcpuclockid(pid, &clock) == 0 && clock_gettime(clock, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

double Now() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// ---- The generator ----

struct Caller {
  int fd = -1;
  size_t bytes = 0;  // of answers that are not whole
};

size_t AnswerSize(int fd, const std::string& request) {
  Check(send(fd, request.data(), request.size(), 0) == static_cast<ssize_t>(request.size()));
  std::string answer;
  while (answer.find("\r\n\r\n") == answer.npos ||
         answer.size() < answer.find("\r\n\r\n") + 4 + 34) {
    char buffer[4096];
    const ssize_t got = recv(fd, buffer, sizeof(buffer), 0);
    Check(got > 0);
    answer.append(buffer, static_cast<size_t>(got));
  }
  Check(answer.starts_with("HTTP/1.1 200 OK") && answer.find("Micro-Error") == answer.npos);
  return answer.size();
}

struct Sample {
  double cpu_us, qps;
};

Sample Measure(const Server& server, int connections, int window, double seconds) {
  const std::string request = Request();
  std::string burst;
  for (int i = 0; i < window; ++i) burst += request;
  const int poll = epoll_create1(0);
  std::vector<Caller> callers(static_cast<size_t>(connections));
  size_t answer = 0;
  for (size_t i = 0; i < callers.size(); ++i) {
    callers[i].fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(server.port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    Check(connect(callers[i].fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    const int on = 1;
    setsockopt(callers[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    answer = AnswerSize(callers[i].fd, request);
    epoll_event event = {.events = EPOLLIN, .data = {.u64 = i}};
    Check(epoll_ctl(poll, EPOLL_CTL_ADD, callers[i].fd, &event) == 0);
  }
  for (const Caller& caller : callers) Check(send(caller.fd, burst.data(), burst.size(), 0) > 0);
  const double begin = Now(), cpu = CpuSeconds(server.pid);
  int64_t calls = 0;
  char buffer[256 << 10];
  while (Now() - begin < seconds) {
    epoll_event events[64];
    const int count = epoll_wait(poll, events, 64, -1);
    for (int i = 0; i < count; ++i) {
      Caller& caller = callers[events[i].data.u64];
      const ssize_t got = recv(caller.fd, buffer, sizeof(buffer), 0);
      Check(got > 0);
      caller.bytes += static_cast<size_t>(got);
      size_t whole = caller.bytes / answer;
      caller.bytes -= whole * answer;
      calls += static_cast<int64_t>(whole);
      if (whole > 0) Check(send(caller.fd, burst.data(), whole * request.size(), MSG_NOSIGNAL) > 0);
    }
  }
  const double used = CpuSeconds(server.pid) - cpu, took = Now() - begin;
  for (const Caller& caller : callers) close(caller.fd);
  close(poll);
  return {used * 1e6 / static_cast<double>(calls), static_cast<double>(calls) / took};
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
                 "http_rpc_cost: unknown argument %s; known: --rounds=N --seconds=S --only=sdk\n",
                 argv[i]);
    return 1;
  }
  std::vector<std::string> kinds = {"raw", "sdk"};
  if (*only != '\0') kinds = {only};
  std::map<std::string, Server> servers;
  for (const std::string& kind : kinds) servers[kind] = Start(kind);
  std::printf("%12s %7s %5s %10s %14s\n", "connections", "window", "impl", "calls/s", "server us");
  for (const auto& [connections, window] : {std::pair(1, 1), std::pair(16, 1), std::pair(16, 16)}) {
    std::map<std::string, std::vector<double>> cpu, qps;
    for (int round = 0; round < rounds; ++round) {
      for (const std::string& kind : kinds) {
        const Sample sample = Measure(servers[kind], connections, window, seconds);
        cpu[kind].push_back(sample.cpu_us);
        qps[kind].push_back(sample.qps);
      }
    }
    for (const std::string& kind : kinds) {
      std::printf("%12d %7d %5s %10.0f %14.2f\n", connections, window, kind.c_str(),
                  Median(qps[kind]), Median(cpu[kind]));
      PrintFigure(fmt::format("http_rpc_cost.n{}.w{}.{}.server_cpu", connections, window, kind),
                  Median(cpu[kind]), "us/call");
    }
    std::fflush(stdout);
  }
  for (const auto& [kind, server] : servers)
    kill(server.pid, SIGKILL), waitpid(server.pid, nullptr, 0);
  return 0;
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) { return bench::Main(argc, argv); }
