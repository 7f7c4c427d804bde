// The registry "nats": services find each other through a NATS server, as go-micro's do.
//
// Options.addresses are the servers (core/nats/nats_connection.h), Options.timeout is how long a
// lookup gathers answers once the server has the question, 100 ms by default, and each lookup takes
// as long. Options.prefix stands in place of "micro.nats" in the subjects.
//
// NATS keeps nothing: each process answers for what it registered. A TTL is therefore its owner's
// to keep; after it, the owner answers no more and tells the watchers. A node whose process was
// killed answers nothing, and watchers are not told: they cannot know its TTL, which no message
// carries, and go-micro's nodes need not refresh at all. The cache's next lookup drops it.
#include <fmt/format.h>

#include <string>
#include <utility>
#include <vector>

#include "core/async.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "registry/nats/nats_message.h"
#include "registry/nats/nats_peer.h"
#include "registry/registry.h"

namespace micro::registry {
namespace {

constexpr absl::Duration kDefaultWindow = absl::Milliseconds(100);

class NatsRegistry final : public Registry {
 public:
  NatsRegistry(const Options& options, std::shared_ptr<NatsPeer> peer)
      : window_(options.timeout > absl::ZeroDuration() ? options.timeout : kDefaultWindow),
        peer_(std::move(peer)) {}
  ~NatsRegistry() override { peer_->Close(); }

  std::string_view name() const override { return "nats"; }

  // A node that is there already stays when this fails, and is told as soon as there is a server: its
  // TTL has started anew.
  Task<absl::Status> Register(Context ctx, Service service, RegisterOptions options) override {
    CO_RETURN_IF_ERROR(ctx.status());
    CO_RETURN_IF_ERROR(Validate(service));
    if (const auto read = ParseNatsEvent(NatsEventJson({{}, service})); !read.ok()) {
      co_return absl::InvalidArgumentError(fmt::format("service \"{}\": no peer would read it: {}",
                                                       service.name,
                                                       std::string(read.status().message())));
    }
    const std::shared_ptr<NatsPeer> peer = peer_;
    const NatsRegistration registration = peer->Register(service, options.ttl);
    const absl::Status told = co_await registration.told.Wait(ctx);
    if (absl::IsInvalidArgument(told)) {
      peer->Forget(service);  // no question for it could be answered
    } else if (!told.ok()) {
      peer->Withdraw(service, registration);
    }
    co_return told;
  }

  Task<absl::Status> Deregister(Context ctx, Service service) override {
    CO_RETURN_IF_ERROR(ctx.status());
    co_return co_await peer_->Deregister(service).Wait(ctx);
  }

  Task<absl::StatusOr<std::vector<Service>>> GetService(Context ctx, std::string name) override {
    CO_RETURN_IF_ERROR(ctx.status());
    const absl::Status not_found =
        absl::NotFoundError(fmt::format("service \"{}\": no node answered over NATS within {}",
                                        name, absl::FormatDuration(window_)));
    if (name.empty()) co_return not_found;
    absl::StatusOr<std::vector<Service>> found = co_await Gather(peer_, ctx, name, window_);
    if (found.ok() && found->empty()) co_return not_found;
    co_return found;
  }

  Task<absl::StatusOr<std::vector<Service>>> ListServices(Context ctx) override {
    CO_RETURN_IF_ERROR(ctx.status());
    co_return co_await Gather(peer_, ctx, "", window_);
  }

  Task<absl::StatusOr<std::unique_ptr<Watcher>>> Watch(Context ctx, WatchOptions options) override {
    CO_RETURN_IF_ERROR(ctx.status());
    const std::shared_ptr<NatsPeer> peer = peer_;
    std::unique_ptr<Watcher> watcher = peer->Watch(options);
    CO_RETURN_IF_ERROR(co_await peer->Flush().Wait(ctx));
    co_return watcher;
  }

 private:
  // Asks, and gathers answers for the window. It holds all it needs: the registry may go meanwhile.
  static Task<absl::StatusOr<std::vector<Service>>> Gather(std::shared_ptr<NatsPeer> peer,
                                                           Context ctx, std::string service,
                                                           absl::Duration window) {
    const NatsLookup lookup = peer->Ask(service);
    absl::Status status = co_await lookup.asked.Wait(ctx);
    if (status.ok()) {
      status = (co_await Await(WithTimeout(ctx, window), lookup.closed)).status();
      if (absl::IsDeadlineExceeded(status) && ctx.status().ok()) status = absl::OkStatus();
    }
    std::vector<Service> found = peer->TakeAnswers(lookup);
    CO_RETURN_IF_ERROR(status);
    co_return found;
  }

  const absl::Duration window_;
  const std::shared_ptr<NatsPeer> peer_;
};

MICRO_PLUGIN(Registry, "nats",
             [](const Options& options) -> absl::StatusOr<std::unique_ptr<Registry>> {
               RETURN_IF_ERROR(RefuseUnused("nats", options,
                                            {"username", "password", "token", "tls", "prefix"}));
               ASSIGN_OR_RETURN(std::shared_ptr<NatsPeer> peer, NatsPeer::Make(options));
               return std::make_unique<NatsRegistry>(options, std::move(peer));
             });

}  // namespace
}  // namespace micro::registry
