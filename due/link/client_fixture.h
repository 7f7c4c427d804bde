// What the tests of link clients share: a client, and the peer that it dials.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "due/link/link_fixture.h"

namespace due {

using link::Route;

inline const std::string kUs = Asked(link::Handshake{link::InstanceKind::kGate, "g1"}, 1);

class LinkClientTest : public ::testing::Test {
 protected:
  void Connect(LinkClientOptions options = {.conn_num = 1}) { ConnectTo(peer_.address(), options); }
  void ConnectTo(const std::string& address, LinkClientOptions options) {
    options.id = "g1";
    ASSERT_THAT(options.Check(), IsOk());
    client_ = std::make_unique<LinkClient>(address, std::move(options), TwoLoops());
  }

  // A connection that has shaken hands.
  RawLink Accept() {
    RawLink link(peer_.Accept());
    EXPECT_EQ(link.Next(), kUs);
    link.Write(Answered(Route::kHandshake, 1));
    return link;
  }

  // A call that is on its way; the answer is waited for on another thread.
  std::future<absl::StatusOr<link::Response>> StartCall(const link::Request& request,
                                                        Context ctx = Context()) {
    return std::async(std::launch::async,
                      [this, request, ctx] { return BlockOn(client_->Call(ctx, request)); });
  }
  int64_t Dropped(LinkDrop why) const {
    return client_->counts().dropped[static_cast<size_t>(why)];
  }
  int64_t Ended(LinkEnd end) const { return client_->counts().ended[static_cast<size_t>(end)]; }

  micro::net::Server peer_;
  std::unique_ptr<LinkClient> client_;
};

inline link::Deliver To(int64_t cid, std::string_view packet = "") {
  return {.cid = cid, .uid = 7, .packet = packet};
}

}  // namespace due
