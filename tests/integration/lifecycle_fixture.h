// What the tests of a service's life share: a Greeter, and a look at it from outside.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/plugin_table.h"
#include "tests/integration/greeter_services.h"

namespace micro {

// Looks at discovery from outside of all services.
class Discovery {
 public:
  explicit Discovery(const registry::Options& options)
      : registry_(*PluginTable<registry::Registry>::Create("memory", options)) {}

  absl::StatusOr<std::vector<registry::Service>> Find() {
    return BlockOn(registry_->GetService(Context(), "helloworld"));
  }
  bool Lists() { return Find().ok(); }
  void Lose(const registry::Service& record) {
    EXPECT_THAT(BlockOn(registry_->Deregister(Context(), record)), IsOk());
  }

 private:
  const std::unique_ptr<registry::Registry> registry_;
};

class Lifecycle : public ::testing::Test {
 protected:
  // A hook that notes its name and whether discovery lists the service.
  Hook Noting(std::string name, absl::Status answer = absl::OkStatus()) {
    return [this, name, answer](Context, Service&) -> Task<absl::Status> {
      notes_.push_back(name + (discovery_.Lists() ? ": listed" : ": not listed"));
      co_return answer;
    };
  }

  std::unique_ptr<Service> NewGreeter(ServiceOptions options) {
    auto service = NewService(std::move(options));
    helloworld::RegisterGreeterHandler(*service->server(), std::make_shared<interop::Greeter>());
    return service;
  }

  absl::Status StartWithAddress(const std::string& address) {
    ServiceOptions options = GreeterOptions(registry_);
    options.server.address = address;
    auto service = NewGreeter(std::move(options));
    absl::Status status = BlockOn(service->Start(Context()));
    EXPECT_THAT(BlockOn(service->Stop(Context())), IsOk());
    return status;
  }

  const registry::Options registry_ = OwnRegistry();
  Discovery discovery_{registry_};
  std::vector<std::string> notes_;
};

}  // namespace micro
