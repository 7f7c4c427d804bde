#include "micro/rpc/client_pool.h"

#include <algorithm>
#include <utility>

#include "core/clock.h"
#include "core/strings.h"
#include "micro/rpc/client_error.h"

namespace micro::rpc {
namespace {

constexpr size_t kKeptBuffers = 64;
constexpr size_t kKeptBuffer = 64 << 10;  // a larger one is freed after use

}  // namespace

NodePool::NodePool(LoopClient& client, std::string address)
    : client_(&client), settings_(client.settings()), address_(std::move(address)) {}

net::Deadlines& NodePool::deadlines() { return client_->deadlines(); }

std::shared_ptr<ClientConnection> NodePool::TakeIdle() {
  if (idle_.empty()) return nullptr;
  const auto self = shared_from_this();  // the end of its last connection would end it
  const absl::Time now = Clock::Real().Now();
  while (!idle_.empty()) {
    std::shared_ptr<ClientConnection> connection = std::move(idle_.back());
    idle_.pop_back();
    if (now - connection->made() < settings_->pool_ttl) {
      connection->set_moved(now);
      return connection;
    }
    connection->Close();
  }
  return nullptr;
}

void NodePool::Await(ConnectionWaiter& waiter, bool fresh) {
  waiter.fresh_ = fresh;
  waiter.place_ = waiting_.insert(fresh ? waiting_.begin() : waiting_.end(), &waiter);
  Dial();
}

void NodePool::TakeBack(ConnectionWaiter& waiter) { waiting_.erase(waiter.place_); }

// The first who may have a connection that has served (`fresh` false) or a new one.
ConnectionWaiter* NodePool::TakeWaiter(bool fresh) {
  for (auto place = waiting_.begin(); place != waiting_.end(); ++place) {
    ConnectionWaiter* const waiter = *place;
    if (waiter->fresh_ && !fresh) continue;
    waiting_.erase(place);
    return waiter;
  }
  return nullptr;
}

// One for each waiter; whichever comes first, it or one that gets free, is for the waiter who came
// first.
void NodePool::Dial() {
  while (client_ != nullptr && dialling_ < waiting_.size()) {
    if (open_ + dialling_ >= settings_->most_open) {
      if (!idle_.empty()) idle_.front()->Close();  // comes back here
      return;
    }
    ++dialling_;
    net::Connect(client_->loop(), address_, settings_->tls, settings_->dial_timeout,
                 [self = shared_from_this()](absl::StatusOr<std::unique_ptr<net::Socket>> socket) {
                   self->Dialled(std::move(socket));
                 });
  }
}

void NodePool::Dialled(absl::StatusOr<std::unique_ptr<net::Socket>> socket) {
  --dialling_;
  if (client_ == nullptr) return;
  if (!socket.ok()) {
    ConnectionWaiter* const waiter = TakeWaiter(/*fresh=*/true);
    if (waiter != nullptr) waiter->OnConnection(NotConnected(address_, socket.status()));
    Dial();
    return ForgetIfUnused();
  }
  ++open_;
  auto connection = std::make_shared<ClientConnection>(shared_from_this(), *std::move(socket));
  connection->Start();
  if (ConnectionWaiter* const waiter = TakeWaiter(/*fresh=*/true); waiter != nullptr)
    return waiter->OnConnection(std::move(connection));
  idle_.push_back(std::move(connection));
}

void NodePool::Free(std::shared_ptr<ClientConnection> connection) {
  const absl::Time now = Clock::Real().Now();
  if (client_ == nullptr || now - connection->made() >= settings_->pool_ttl)
    return connection->Close();
  connection->set_moved(now);
  if (ConnectionWaiter* const waiter = TakeWaiter(/*fresh=*/false); waiter != nullptr)
    return waiter->OnConnection(std::move(connection));
  if (idle_.size() >= settings_->most_idle) return connection->Close();
  idle_.push_back(std::move(connection));
}

void NodePool::Ended(ClientConnection& connection) {
  const auto self = shared_from_this();
  --open_;
  std::erase_if(idle_, [&](const auto& idle) { return idle.get() == &connection; });
  Dial();
  ForgetIfUnused();
}

void NodePool::DropIdleSince(absl::Time then) {
  const std::vector<std::shared_ptr<ClientConnection>> idle = idle_;
  for (const auto& connection : idle) {
    if (connection->moved() <= then) connection->Close();
  }
}

void NodePool::Close() {
  client_ = nullptr;
  for (const auto& connection : std::exchange(idle_, {})) connection->Close();
}

void NodePool::ForgetIfUnused() {
  if (client_ == nullptr || open_ + dialling_ > 0 || !waiting_.empty()) return;
  client_->nodes_.erase(ToAbsl(address_));
}

LoopClient::LoopClient(net::Loop& loop, std::shared_ptr<const ClientSettings> settings)
    : loop_(loop), settings_(std::move(settings)), deadlines_(loop) {}

LoopClient::~LoopClient() {
  for (const auto& [address, pool] : std::exchange(nodes_, {})) pool->Close();
}

NodePool& LoopClient::To(std::string_view address) {
  if (const auto known = nodes_.find(ToAbsl(address)); known != nodes_.end()) return *known->second;
  auto pool = std::make_shared<NodePool>(*this, std::string(address));
  return *nodes_.emplace(std::string(address), std::move(pool)).first->second;
}

std::string LoopClient::TakeBuffer() {
  if (buffers_.empty()) return {};
  std::string buffer = std::move(buffers_.back());
  buffers_.pop_back();
  return buffer;
}

void LoopClient::GiveBuffer(std::string buffer) {
  if (buffers_.size() < kKeptBuffers && buffer.capacity() <= kKeptBuffer)
    buffers_.push_back(std::move(buffer));
}

}  // namespace micro::rpc
