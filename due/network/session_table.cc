#include "due/network/session_table.h"

#include <cstdlib>
#include <utility>

namespace due {

using micro::Context;
using micro::OneShot;
using micro::Task;
using micro::net::Loop;
using micro::net::Loops;

SessionTable::SessionTable(Loops& loops, std::shared_ptr<const SessionSettings> settings,
                           int64_t most, int64_t first_id)
    : settings_(std::move(settings)), most_(most), next_id_(first_id) {
  for (size_t i = 0; i < loops.size(); ++i) on_loops_.push_back(std::make_unique<OnLoop>(loops[i]));
}

SessionTable::OnLoop& SessionTable::Of(Loop& loop) {
  for (const auto& on_loop : on_loops_) {
    if (&on_loop->turn->loop() == &loop) return *on_loop;
  }
  std::abort();  // sockets are given to the loops that it was made for
}

std::shared_ptr<Session> SessionTable::Add(Loop& loop, std::unique_ptr<micro::net::Socket> socket,
                                           std::unique_ptr<Wire> wire, std::string_view read) {
  OnLoop& here = Of(loop);
  if (here.is_closed) return nullptr;
  if (open_.fetch_add(1) >= most_) {
    open_.fetch_sub(1);
    ++refused_;
    return nullptr;
  }
  ++accepted_;
  auto session = std::make_shared<Session>(
      next_id_++, std::move(socket), std::move(wire), settings_, here.turn,
      [table = shared_from_this(), &here](Session& ended, Cause cause) {
        table->Remove(here, ended.id(), cause);
      });
  here.sessions.emplace(session->id(), session);
  session->Start(read);
  return session;
}

void SessionTable::Remove(OnLoop& here, int64_t id, Cause cause) {
  ++ended_[static_cast<size_t>(cause)];
  here.sessions.erase(id);
  std::shared_ptr<OneShot<bool>> waiter;
  {
    micro::MutexLock lock(mutex_);
    if (open_.fetch_sub(1) == 1) waiter = all_ended_;
  }
  if (waiter != nullptr) waiter->TrySet(true);
}

void SessionTable::Broadcast(std::shared_ptr<const std::string> bytes,
                             std::function<bool(const Conn&)> is_meant) {
  for (const auto& on_loop : on_loops_) {
    on_loop->turn->Send([table = shared_from_this(), here = on_loop.get(), bytes, is_meant] {
      for (const auto& [id, session] : here->sessions) {
        if (is_meant != nullptr && !is_meant(*session)) continue;
        session->Write(*bytes);
      }
    });
  }
}

Counts SessionTable::counts() const {
  Counts counts{.accepted = accepted_, .refused = refused_, .open = open_};
  for (const auto& on_loop : on_loops_) {
    const LoopTurn& turn = *on_loop->turn;
    counts.packets_in += turn.packets_in;
    counts.packets_out += turn.packets_out;
    counts.bytes_in += turn.bytes_in;
    counts.bytes_out += turn.bytes_out;
    counts.dropped += turn.dropped;
    counts.full += turn.refused;
    counts.missed += turn.missed;
    counts.slowed += turn.slowed;
  }
  for (size_t i = 0; i < kCauses; ++i) counts.ended[i] = ended_[i];
  return counts;
}

Task<void> SessionTable::EndAll(Context ctx, bool force) {
  for (const auto& on_loop : on_loops_) {
    co_await on_loop->turn->loop().Enter();
    on_loop->is_closed = true;
  }
  auto all_ended = std::make_shared<OneShot<bool>>();
  {
    micro::MutexLock lock(mutex_);
    all_ended_ = all_ended;
  }
  for (const auto& on_loop : on_loops_) {
    co_await on_loop->turn->loop().Enter();
    std::vector<std::shared_ptr<Session>> sessions;
    for (const auto& [id, session] : on_loop->sessions) sessions.push_back(session);
    for (const auto& session : sessions) session->Close(force);
  }
  bool none = false;
  {
    micro::MutexLock lock(mutex_);
    none = open_ == 0;
  }
  if (none) all_ended->TrySet(true);
  (void)co_await micro::Await(ctx, all_ended);
  // Who asked may now free what the loops are needed for.
  co_await micro::Offload([] {});
}

}  // namespace due
