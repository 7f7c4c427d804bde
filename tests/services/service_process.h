// A real server that a test or program runs against: Consul, etcd, NATS or Redis, on a free loopback port,
// with a folder of its own, ended with the object (and with the program, however that ends).
//
//   ASSIGN_OR_RETURN(auto consul, services::StartConsul());
//   … {.addresses = {consul->address()}} …
//   consul->Kill();                                    // pull the plug
//   RETURN_IF_ERROR(consul->Start());                  // back on the same port
//
// The servers are Debian's packages (bazel/packages.txt); Consul is where bazel/install_consul.sh
// puts it. A server that is not there or does not come up is an error that says what its log said.
// Not for several threads at once.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace micro::services {

class ServiceProcess {
 public:
  struct Spec {
    std::string name;  // "consul"
    std::string program;
    // Its command line, made anew at each start.
    std::function<std::vector<std::string>(const ServiceProcess&)> arguments;
    // Whether it answers yet; asked until it does.
    std::function<bool(const ServiceProcess&)> ready;
    int ports = 1;  // how many free ports it gets; the first is the one that clients use
  };

  // Starts it on free ports, and waits until it is ready; another choice of ports if it did not
  // come up.
  static absl::StatusOr<std::unique_ptr<ServiceProcess>> Launch(Spec spec);

  // Kills it and removes its folder.
  ~ServiceProcess();
  ServiceProcess(const ServiceProcess&) = delete;
  ServiceProcess& operator=(const ServiceProcess&) = delete;

  std::string address() const;  // "127.0.0.1:PORT"
  int port(int index = 0) const { return ports_[static_cast<size_t>(index)]; }
  const std::string& folder() const { return folder_; }
  pid_t pid() const { return pid_; }

  // Starts it again on the same ports after Stop or Kill, with what it left in its folder, and
  // waits until it is ready.
  absl::Status Start();

  void Stop();   // SIGTERM, and waits for its end (SIGKILL after 10 s)
  void Kill();   // SIGKILL, and waits
  void Pause();  // SIGSTOP, and waits: connections stay open, nothing is answered
  void Resume();

  // Removes what it stored; it is stopped meanwhile.
  void Forget();

  // The end of what it printed.
  std::string Log() const;

 private:
  explicit ServiceProcess(Spec spec);
  absl::Status Spawn();
  void End(int signal);

  const Spec spec_;
  std::string folder_;
  std::vector<int> ports_;
  pid_t pid_ = -1;
};

struct ConsulOptions {
  // Whether its state survives Kill and Start. Without, it is a development agent, which starts
  // much faster.
  bool durable = false;
  // A server that waits for others, which never come, before a leader is chosen.
  bool leaderless = false;
  std::vector<std::string> configuration = {};  // pieces of HCL
};
absl::StatusOr<std::unique_ptr<ServiceProcess>> StartConsul(ConsulOptions options = {});

struct EtcdOptions {
  // Of clients; etcd speaks TLS with them.
  std::string cert_file = {}, key_file = {};
  std::string trusted_ca_file = {};  // clients must bear a certificate of this authority
  std::vector<std::string> arguments = {};
};
absl::StatusOr<std::unique_ptr<ServiceProcess>> StartEtcd(EtcdOptions options = {});

struct NatsOptions {
  std::vector<std::string> arguments = {};  // "--user", "ann" …
};
absl::StatusOr<std::unique_ptr<ServiceProcess>> StartNats(NatsOptions options = {});

struct RedisOptions {
  // Whether its data survives Kill and Start.
  bool durable = false;
  // Of clients; Redis speaks TLS alone with them, and they must bear a certificate of this authority.
  std::string cert_file = {}, key_file = {}, trusted_ca_file = {};
  std::vector<std::string> arguments = {};  // "--requirepass", "secret" …
};
absl::StatusOr<std::unique_ptr<ServiceProcess>> StartRedis(RedisOptions options = {});

// Free TCP ports on 127.0.0.1, free until somebody else takes them.
std::vector<int> FreePorts(int count);

}  // namespace micro::services
