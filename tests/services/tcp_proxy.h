// A TcpProxy stands between a client and a server on this machine, and fails when a test says so.
//
//   services::TcpProxy proxy(etcd->port());
//   … {.addresses = {proxy.address()}} …
//   proxy.Cut();      // connections break, new ones are closed at once
//   proxy.Mend();
//   proxy.Freeze();   // connections stay, new ones are taken, and nothing passes any more
//   proxy.Mend();
//   proxy.Vanish();   // as a machine that lost its power: no packet is taken or answered any more,
//   proxy.Mend();     // not even one that opens a connection
#pragma once

#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/mutex.h"

namespace micro::services {

class TcpProxy {
 public:
  // To a port of 127.0.0.1, from a free one.
  explicit TcpProxy(int port);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  std::string address() const;  // "127.0.0.1:PORT"

  void Cut();  // returns when the connections are broken
  void Freeze();
  void Vanish();
  void Mend();

  // How many connections have been made to it.
  int connections() const { return connections_; }

 private:
  enum class Mode { kPass, kCut, kFreeze };
  void SetDeaf(bool deaf);
  void Accept();
  void Serve(int near);
  bool Pass(int from, int to);

  const int port_;
  int listener_ = -1;
  int own_port_ = 0;
  std::atomic<Mode> mode_ = Mode::kPass;
  std::atomic<bool> ending_ = false;
  std::atomic<int> cuts_ = 0;  // a connection made before the latest is broken
  std::atomic<int> connections_ = 0;
  std::atomic<int> open_ = 0;
  Mutex mutex_;
  bool deaf_ ABSL_GUARDED_BY(mutex_) = false;
  std::set<int> near_ ABSL_GUARDED_BY(mutex_);  // the clients' ends that are open
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  std::thread acceptor_;
};

}  // namespace micro::services
