#include "due/network/loop_turn.h"

#include <utility>

#include "due/network/session.h"

namespace due {
namespace {

class PushedPacket final : public micro::net::Turn::Parcel {
 public:
  PushedPacket(std::shared_ptr<Session> session, std::string_view packet)
      : session_(std::move(session)), packet_(packet) {}
  void Open() override { session_->Take(packet_); }

 private:
  const std::shared_ptr<Session> session_;
  const std::string packet_;
};

}  // namespace

void LoopTurn::Push(std::shared_ptr<Session> session, std::string_view packet) {
  Send(std::make_unique<PushedPacket>(std::move(session), packet));
}

}  // namespace due
