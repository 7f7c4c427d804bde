// Operations are what nodes and meshes ask of a gate, over the link: who is there, who is bound to
// what, what is to be written to whom (reference/due.md §3.6). Internal.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/task_scope.h"
#include "due/link/server.h"
#include "due/locate/locator.h"
#include "due/network/server.h"
#include "due/session/sessions.h"

namespace due {

class GateOperations final : public LinkHandler {
 public:
  struct Settings {
    std::string gid = {};

    // A login from elsewhere ends the user's old connection, instead of making it nobody's.
    bool closes_displaced = false;

    // Tells the nodes. From any thread.
    std::function<void(link::Event event, int64_t cid, int64_t uid)> trigger = nullptr;

    // The gate's state, and its change, which is told to the registry.
    std::function<link::State()> state = nullptr;
    std::function<void(link::State)> set_state = nullptr;
  };

  // All of them outlive it.
  GateOperations(Settings settings, Sessions& sessions, Locator& locator)
      : settings_(std::move(settings)), sessions_(sessions), locator_(locator) {}
  ~GateOperations() override { scope_.Join(); }

  // The server of the players, once there is one.
  void SetPlayers(Server& players) { players_ = &players; }

  void Handle(const std::shared_ptr<const LinkPeer>& peer, const link::Request& request,
              LinkReply reply) override;

  // A player has gone: takes its user's place back, and tells the nodes.
  void Disconnected(Conn& conn);

  // Waits for what is under way with the locator. No request comes any more.
  auto Done() { return scope_.Done(); }

 private:
  void Ask(const link::Bind& bind, LinkReply reply);
  void Ask(const link::Unbind& unbind, LinkReply reply);
  void Ask(const link::GetIp& ask, LinkReply reply);
  void Ask(const link::Stat& ask, LinkReply reply);
  void Ask(const link::IsOnline& ask, LinkReply reply);
  void Ask(const link::Disconnect& ask, LinkReply reply);
  void Ask(const link::Push& push, LinkReply reply);
  void Ask(const link::Multicast& multicast, LinkReply reply);
  void Ask(const link::Broadcast& broadcast, LinkReply reply);
  void Ask(const link::Publish& publish, LinkReply reply);
  void Ask(const link::Subscribe& subscribe, LinkReply reply);
  void Ask(const link::Unsubscribe& unsubscribe, LinkReply reply);
  void Ask(const link::GetState&, LinkReply reply);
  void Ask(const link::SetState& ask, LinkReply reply);
  // What nodes are asked; gates do not answer it.
  void Ask(const link::Handshake&, LinkReply) {}
  void Ask(const link::Trigger&, LinkReply) {}
  void Ask(const link::Deliver&, LinkReply) {}

  micro::Task<void> TellBound(Bound bound, int64_t cid, int64_t uid, LinkReply reply);
  micro::Task<void> TellUnbound(int64_t uid, LinkReply reply);
  micro::Task<void> TellGone(int64_t cid, int64_t uid);
  micro::Task<absl::Status> Settle(micro::Context ctx, int64_t uid);

  const Settings settings_;
  Sessions& sessions_;
  Locator& locator_;
  std::atomic<Server*> players_ = nullptr;
  micro::TaskScope scope_;
};

}  // namespace due
