#include "due/link/pool.h"

#include <utility>

#include "due/link/line.h"

namespace due {
namespace {

void Add(const LinkClientCounts& more, LinkClientCounts& sum) {
  for (const auto field :
       {&LinkClientCounts::opened, &LinkClientCounts::failed, &LinkClientCounts::open,
        &LinkClientCounts::queued, &LinkClientCounts::frames_out, &LinkClientCounts::calls,
        &LinkClientCounts::answered, &LinkClientCounts::unexpected,
        &LinkClientCounts::short_publishes})
    sum.*field += more.*field;
  for (size_t i = 0; i < kLinkDrops; ++i) sum.dropped[i] += more.dropped[i];
  for (size_t i = 0; i < kLinkEnds; ++i) sum.ended[i] += more.ended[i];
}

}  // namespace

LinkPool::LinkPool(LinkClientOptions options, micro::net::Loops& loops)
    : options_(std::make_shared<const LinkClientOptions>(std::move(options))),
      turns_(std::make_shared<LinkTurns>(loops)) {}

std::shared_ptr<LinkClient> LinkPool::Get(const std::string& address) {
  micro::MutexLock lock(mutex_);
  std::shared_ptr<LinkClient>& client = clients_[address];
  if (client == nullptr) {
    client = std::make_shared<LinkClient>(address, options_, turns_);
    if (is_closed_) client->CloseWithin(absl::ZeroDuration());
  }
  return client;
}

void LinkPool::Drop(const std::string& address, absl::Duration grace) {
  std::shared_ptr<LinkClient> client;
  {
    micro::MutexLock lock(mutex_);
    const auto found = clients_.extract(address);
    if (found.empty()) return;
    client = found.mapped();
    LinkClientCounts counts = client->counts();
    counts.open = counts.queued = 0;
    Add(counts, dropped_);
  }
  client->CloseWithin(grace);
}

LinkClientCounts LinkPool::counts() const {
  micro::MutexLock lock(mutex_);
  LinkClientCounts sum = dropped_;
  for (const auto& [address, client] : clients_) Add(client->counts(), sum);
  return sum;
}

micro::Task<void> LinkPool::Close(micro::Context ctx) {
  std::vector<std::shared_ptr<LinkClient>> clients;
  {
    micro::MutexLock lock(mutex_);
    is_closed_ = true;
    for (const auto& [address, client] : clients_) clients.push_back(client);
  }
  // All at once, and then one after the other.
  for (const auto& client : clients) client->CloseWithin(absl::InfiniteDuration());
  for (const auto& client : clients) co_await client->Close(ctx);
}

}  // namespace due
