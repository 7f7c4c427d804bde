// What a message costs between gate and node: a Deliver to the node, a Push back, over links on
// loopback, both sides in this process. Prints the CPU µs of both sides and of the kernel for each
// pair of frames, with one loop a side and with two, where frames change the thread half of the
// time unless they keep to their loop; and of an acknowledged call.
//
//   bazel run -c opt //tests/bench:link_cost [-- --seconds=1]
#include <fmt/format.h>
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "core/task_scope.h"
#include "due/link/client.h"
#include "due/link/server.h"
#include "tests/bench/figure.h"

namespace bench {
namespace {

using due::LinkClient;
using due::LinkHandler;
using due::LinkPeer;
using due::LinkReply;
using due::LinkServer;
namespace link = due::link;

constexpr int64_t kConnections = 50;  // of clients, which there are none of

double CpuMicros() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const auto micros = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  return micros(usage.ru_utime) + micros(usage.ru_stime);
}

// One side: what comes is sent on to the other, on the loop where it came.
class Side final : public LinkHandler {
 public:
  Side(size_t loops, bool keeps_loop) : loops_(loops), keeps_loop_(keeps_loop) {
    server_ = LinkServer::Listen({.address = "127.0.0.1:0"}, *this, loops_).value();
  }

  void ConnectTo(const Side& other, link::InstanceKind kind) {
    client_ = std::make_unique<LinkClient>(
        fmt::format("127.0.0.1:{}", other.server_->port()),
        due::LinkClientOptions{.kind = kind, .id = "x", .conn_num = 6}, loops_);
  }
  LinkClient& client() { return *client_; }
  int64_t pushes() const { return pushes_.load(std::memory_order_relaxed); }
  void End() { is_over_ = true; }
  void Stop() {
    micro::BlockOn(client_->Close(micro::Context()));
    micro::BlockOn(server_->Stop(micro::Context()));
  }

  void Handle(const std::shared_ptr<const LinkPeer>&, const link::Request& request,
              LinkReply reply) override {
    if (const auto* deliver = std::get_if<link::Deliver>(&request)) {
      (void)client_->Send(Key(deliver->cid),
                          link::Push{.target = deliver->cid, .packet = deliver->packet});
    } else if (const auto* push = std::get_if<link::Push>(&request)) {
      pushes_.fetch_add(1, std::memory_order_relaxed);
      if (is_over_.load(std::memory_order_relaxed)) return;
      (void)client_->Send(Key(push->target),
                          link::Deliver{.cid = push->target, .uid = 1, .packet = push->packet});
    } else {
      reply.Done(link::Code::kOk);
    }
  }

 private:
  uint64_t Key(int64_t cid) const {
    const auto key = static_cast<uint64_t>(cid);
    return keeps_loop_ ? client_->KeyHere(key) : key;
  }

  micro::net::Loops loops_;
  const bool keeps_loop_;
  std::unique_ptr<LinkServer> server_;
  std::unique_ptr<LinkClient> client_;
  std::atomic<int64_t> pushes_ = 0;
  std::atomic<bool> is_over_ = false;
};

void Sleep(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }

void Report(const std::string& name, double micros, double rate) {
  std::printf("%-36s %8.3f CPU us %12.0f/s\n", name.c_str(), micros, rate);
  PrintFigure(name + "/cpu", micros, "us");
  PrintFigure(name + "/rate", rate, "/s");
}

void Echo(size_t loops, bool keeps_loop, int window, size_t size, double seconds) {
  Side gate(loops, keeps_loop), node(loops, keeps_loop);
  gate.ConnectTo(node, link::InstanceKind::kGate);
  node.ConnectTo(gate, link::InstanceKind::kNode);
  const std::string packet(size, 'x');
  for (int64_t cid = 1; cid <= kConnections; ++cid) {
    for (int i = 0; i < window; ++i) {
      (void)gate.client().Send(static_cast<uint64_t>(cid),
                               link::Deliver{.cid = cid, .uid = 1, .packet = packet});
    }
  }
  Sleep(seconds / 4);
  const double cpu = CpuMicros();
  const int64_t before = gate.pushes();
  Sleep(seconds);
  const auto messages = static_cast<double>(gate.pushes() - before);
  Report(fmt::format("link/loops:{}/{}/window:{}/{}B", loops, keeps_loop ? "kept" : "keyed", window,
                     size),
         (CpuMicros() - cpu) / messages, messages / seconds);
  gate.End();
  gate.Stop();
  node.Stop();
}

void Calls(double seconds) {
  Side gate(1, false), node(1, false);
  node.ConnectTo(gate, link::InstanceKind::kNode);
  gate.ConnectTo(node, link::InstanceKind::kGate);
  std::atomic<int64_t> answered = 0;
  std::atomic<bool> is_over = false;
  micro::TaskScope scope;
  const auto call = [&]() -> micro::Task<void> {
    while (!is_over) {
      if ((co_await node.client().Call(micro::Context(), link::Bind{1, 1})).ok()) ++answered;
    }
  };
  for (int i = 0; i < kConnections; ++i) micro::Spawn(scope, call());
  Sleep(seconds / 4);
  const double cpu = CpuMicros();
  const int64_t before = answered;
  Sleep(seconds);
  const auto calls = static_cast<double>(answered - before);
  Report("link/call", (CpuMicros() - cpu) / calls, calls / seconds);
  is_over = true;
  scope.Join();
  node.Stop();
  gate.Stop();
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  double seconds = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view arg = argv[i];
    if (!arg.starts_with("--seconds=")) {
      std::fprintf(stderr, "%s: there is only --seconds=1\n", argv[i]);
      return 2;
    }
    seconds = std::atof(argv[i] + std::string_view("--seconds=").size());
  }
  for (const int window : {1, 16}) {
    for (const size_t size : {size_t{64}, size_t{1024}})
      bench::Echo(1, false, window, size, seconds);
    bench::Echo(2, false, window, 64, seconds);
    bench::Echo(2, true, window, 64, seconds);
  }
  bench::Calls(seconds);
}
