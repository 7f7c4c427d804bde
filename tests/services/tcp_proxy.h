// A TcpProxy stands between a client and a server on this machine, and fails when a test says so.
//
//   services::TcpProxy proxy(etcd->port());
//   … {.addresses = {proxy.address()}} …
//   proxy.Cut();      // connections break, new ones are closed at once
//   proxy.Mend();
//   proxy.Freeze();   // connections stay, new ones are taken, and nothing passes any more
//   proxy.Mend();
#pragma once

#include <atomic>
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
  void Mend();

  // How many connections have been made to it.
  int connections() const { return connections_; }

 private:
  enum class Mode { kPass, kCut, kFreeze };
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
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  std::thread acceptor_;
};

}  // namespace micro::services
