// Which connections a client keeps. What they carry is tested in tests/integration.
#include "micro/grpc/connections.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "core/grpc/runtime.h"
#include "core/testing/virtual_clock.h"

namespace micro::grpc_wire {
namespace {

class PoolOfConnections : public ::testing::Test {
 protected:
  PoolOfConnections() { StartGrpc(); }

  VirtualClock clock_;
  Pool pool_{{.pool_ttl = absl::Minutes(1)}, grpc::InsecureChannelCredentials(), clock_};
};

TEST_F(PoolOfConnections, GivesTheSameOnesForAnAddress) {
  const auto first = pool_.To("127.0.0.1:1");
  EXPECT_EQ(pool_.To("127.0.0.1:1"), first);
  EXPECT_NE(pool_.To("127.0.0.1:2"), first);
}

TEST_F(PoolOfConnections, DropsThoseThatNobodyUsedForTheTimeToLive) {
  const std::weak_ptr<Connections> old = pool_.To("127.0.0.1:1");
  clock_.Advance(absl::Minutes(1) + absl::Nanoseconds(1));
  EXPECT_FALSE(old.expired());  // the next new address tells
  pool_.To("127.0.0.1:2");
  EXPECT_TRUE(old.expired());
}

TEST_F(PoolOfConnections, KeepsThoseThatWereUsedWithinTheTimeToLive) {
  const std::weak_ptr<Connections> used = pool_.To("127.0.0.1:1");
  const std::weak_ptr<Connections> unused = pool_.To("127.0.0.1:2");
  clock_.Advance(absl::Seconds(1));
  pool_.To("127.0.0.1:1");
  clock_.Advance(absl::Minutes(1));
  pool_.To("127.0.0.1:3");
  EXPECT_FALSE(used.expired());
  EXPECT_TRUE(unused.expired());
  EXPECT_EQ(pool_.To("127.0.0.1:1"), used.lock());
}

TEST_F(PoolOfConnections, LeavesDroppedOnesToTheCallsThatRunOnThem) {
  const auto held = pool_.To("127.0.0.1:1");
  clock_.Advance(absl::Hours(1));
  pool_.To("127.0.0.1:2");
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_NE(pool_.To("127.0.0.1:1"), held);
}

TEST_F(PoolOfConnections, LeavesNoneBehindInTheThreadsThatUsedIt) {
  auto pool = std::make_unique<Pool>(ClientOptions(), grpc::InsecureChannelCredentials(), clock_);
  pool->To("127.0.0.1:1");
  const std::weak_ptr<Connections> used = pool->To("127.0.0.1:1");
  pool.reset();
  EXPECT_TRUE(used.expired());
}

}  // namespace
}  // namespace micro::grpc_wire
