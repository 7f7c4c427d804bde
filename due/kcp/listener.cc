#include <fmt/format.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <latch>

#include "absl/cleanup/cleanup.h"
#include "core/status_macros.h"
#include "due/kcp/kcp.h"
#include "due/kcp/port.h"
#include "due/kcp/udp.h"

namespace due {
namespace {

class PortsOfLoops final : public KcpListener {
 public:
  PortsOfLoops(std::shared_ptr<KcpLedger> ledger, int port)
      : ledger_(std::move(ledger)), port_(port) {}

  // Frees the ports, unless there are sessions.
  ~PortsOfLoops() override {
    Close();
    KcpLedger::CloseIfIdle(ledger_);
    OnEachLoop([](KcpPort&) {});
  }

  int port() const override { return port_; }

  KcpCounts counts() const override {
    KcpCounts counts{.open = ledger_->open};
    for (const KcpLedger::OfLoop& here : ledger_->on) {
      counts.accepted += here.accepted;
      counts.replaced += here.replaced;
      counts.datagrams_in += here.datagrams_in;
      counts.datagrams_out += here.datagrams_out;
      for (size_t i = 0; i < kKcpDrops; ++i) counts.dropped[i] += here.dropped[i];
    }
    return counts;
  }

  void Close() override {
    OnEachLoop([](KcpPort& port) { port.StopAccepting(); });
    ledger_->is_closed = true;
    KcpLedger::CloseIfIdle(ledger_);
  }

 private:
  // Waits until it has run everywhere.
  template <class Work>
  void OnEachLoop(Work work) {
    std::latch done(static_cast<ptrdiff_t>(ledger_->on.size()));
    for (KcpLedger::OfLoop& here : ledger_->on) {
      here.loop->Post([&here, &done, work] {
        if (const auto port = here.port.lock()) work(*port);
        done.count_down();
      });
    }
    done.wait();
  }

  const std::shared_ptr<KcpLedger> ledger_;
  const int port_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<KcpListener>> KcpListener::Listen(micro::net::Loops& loops,
                                                                 const std::string& host, int port,
                                                                 const KcpOptions& options,
                                                                 int most_sessions,
                                                                 OnAccept on_accept) {
  RETURN_IF_ERROR(options.Check());
  if (port < 0 || port > 65535)
    return absl::InvalidArgumentError(fmt::format("cannot listen on port {}", port));
  std::vector<int> sockets;
  auto close_all = absl::MakeCleanup([&sockets] {
    for (const int socket : sockets) close(socket);
  });
  ASSIGN_OR_RETURN(BoundUdp bound, BindUdp(host, port, options));
  sockets.push_back(bound.socket);
  // The first was bound alone, so that nobody else has the port; now it is shared with the others.
  RETURN_IF_ERROR(ShareUdp(bound.socket));
  while (sockets.size() < loops.size()) {
    ASSIGN_OR_RETURN(const int socket, JoinUdp(bound.address, options));
    sockets.push_back(socket);
  }
  std::move(close_all).Cancel();

  auto ledger = std::make_shared<KcpLedger>(loops.size(), options);
  ledger->on_accept = std::move(on_accept);
  ledger->most_sessions = most_sessions;
  for (size_t i = 0; i < loops.size(); ++i) ledger->on[i].loop = &loops[i];
  for (size_t i = 0; i < loops.size(); ++i)
    loops[i].Post([ledger, i, socket = sockets[i]] { KcpPort::Open(ledger, i, socket); });
  return std::make_unique<PortsOfLoops>(std::move(ledger), bound.address.port);
}

}  // namespace due
