// One side of the echo that rpc_overhead measures, in two versions: on the SDK, and on gRPC's
// callback API as its documentation writes it.
#pragma once

#include <memory>

#include "tests/bench/meter.h"

namespace bench {

// A running echo server; stopped by its destructor.
class EchoServer {
 public:
  virtual ~EchoServer() = default;
  virtual int port() const = 0;
};
std::unique_ptr<EchoServer> StartSdkServer();
std::unique_ptr<EchoServer> StartRawServer();

void RunSdkClient(const Load& load, Meter& meter);
void RunRawClient(const Load& load, Meter& meter);

}  // namespace bench
