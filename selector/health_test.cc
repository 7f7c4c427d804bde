#include "selector/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/testing/virtual_clock.h"

namespace micro::selector {
namespace {

using ::testing::HasSubstr;

class HealthTest : public ::testing::Test {
 protected:
  HealthTest() { SetNodes(4); }

  void SetNodes(int count) {
    while (nodes_.size() < static_cast<size_t>(count)) {
      nodes_.push_back(
          new NodeState({.id = std::string(1, static_cast<char>('a' + nodes_.size()))}, health_));
    }
    health_->SetNodes(nodes_);
  }
  ~HealthTest() override { health_->SetNodes({}); }

  // Calls that end.
  void Ok(int node, int calls = 1) {
    for (int i = 0; i < calls; ++i) {
      Count(node);
      health_->Succeeded(*nodes_[node]);
    }
  }
  void Fail(int node, int calls = 1, absl::Status error = absl::InternalError("broken")) {
    for (int i = 0; i < calls; ++i) {
      Count(node);
      health_->Failed(*nodes_[node], error, /*unreachable=*/false);
    }
  }
  void CannotReach(int node) {
    health_->Failed(*nodes_[node], absl::UnavailableError("refused"), /*unreachable=*/true);
  }
  NodeState::Phase PhaseOf(int node) { return nodes_[node]->phase(); }

  // What comes of the call that tries a node.
  void Try(int node, bool ok) {
    ASSERT_EQ(PhaseOf(node), NodeState::kOnTrial);
    ASSERT_TRUE(nodes_[node]->TakeTrial());
    EXPECT_FALSE(nodes_[node]->TakeTrial()) << "two calls at once try it";
    if (ok) {
      Ok(node);
    } else {
      Fail(node);
    }
  }

  VirtualClock clock_;
  int changes_ = 0;
  std::shared_ptr<Health> health_ =
      std::make_shared<Health>(EjectionOptions{}, clock_, [this] { ++changes_; });
  std::vector<NodeStatePtr> nodes_;

 private:
  void Count(int node) {
    nodes_[node]->lane().begun.fetch_add(1);
    nodes_[node]->lane().ended.fetch_add(1);
  }
};

TEST_F(HealthTest, LeavesOutANodeThatCannotBeReachedAtOnceAndForLongerEachTime) {
  CannotReach(0);
  EXPECT_EQ(PhaseOf(0), NodeState::kEjected);
  EXPECT_EQ(changes_, 1);
  for (const int ms : {100, 200, 400, 800}) {
    clock_.Advance(absl::Milliseconds(ms - 1));
    EXPECT_EQ(PhaseOf(0), NodeState::kEjected);
    clock_.Advance(absl::Milliseconds(1));
    ASSERT_EQ(PhaseOf(0), NodeState::kOnTrial);
    ASSERT_TRUE(nodes_[0]->TakeTrial());
    CannotReach(0);
    EXPECT_EQ(PhaseOf(0), NodeState::kEjected);
  }
}

TEST_F(HealthTest, LeavesOutAllThatCannotBeReached) {
  for (int node = 0; node < 4; ++node) CannotReach(node);
  for (int node = 0; node < 4; ++node) EXPECT_EQ(PhaseOf(node), NodeState::kEjected);
}

TEST_F(HealthTest, LetsInANodeThatAnswersAgain) {
  CannotReach(0);
  clock_.Advance(absl::Milliseconds(100));
  Try(0, true);
  EXPECT_EQ(PhaseOf(0), NodeState::kUsable);
  EXPECT_EQ(health_->EjectionOf(*nodes_[0]), nullptr);
}

TEST_F(HealthTest, LetsInANodeWhoseOtherCallsAnswer) {
  CannotReach(0);
  Ok(0);
  EXPECT_EQ(PhaseOf(0), NodeState::kUsable);
}

TEST_F(HealthTest, LeavesOutANodeAfterFiveFailuresInARow) {
  Ok(1, 10);
  Fail(0, 4);
  Ok(0);
  Fail(0, 4);
  EXPECT_EQ(PhaseOf(0), NodeState::kEjected) << "8 of 9 is too large a part";
}

TEST_F(HealthTest, SaysWhyANodeIsLeftOut) {
  Ok(1, 10);
  Fail(0, 5, absl::InternalError("disk full"));
  const auto ejection = health_->EjectionOf(*nodes_[0]);
  ASSERT_NE(ejection, nullptr);
  EXPECT_EQ(ejection->since, clock_.Now());
  EXPECT_EQ(ejection->until, clock_.Now() + absl::Seconds(1));
  EXPECT_EQ(ejection->times, 1);
  EXPECT_THAT(ejection->why, HasSubstr("disk full"));
}

TEST_F(HealthTest, LeavesOutANodeOfWhichTooLargeAPartFails) {
  for (int round = 0; round < 10; ++round) {
    for (int node = 1; node < 4; ++node) Ok(node, 10);
    Ok(0, 7);
    Fail(0, 3);
  }
  EXPECT_EQ(PhaseOf(0), NodeState::kEjected);
  // Calls that were under way, and answer, do not let it in: it answers most anyway.
  Ok(0, 3);
  EXPECT_EQ(PhaseOf(0), NodeState::kEjected);
}

TEST_F(HealthTest, BearsWithAFewFailuresAmongMany) {
  for (int round = 0; round < 100; ++round) {
    Ok(0, 19);
    Fail(0, 1);
    Ok(1, 20);
  }
  EXPECT_EQ(PhaseOf(0), NodeState::kUsable);
}

TEST_F(HealthTest, LeavesOutNobodyWhenAllFailAlike) {
  for (int round = 0; round < 20; ++round) {
    for (int node = 0; node < 4; ++node) Fail(node);
  }
  for (int node = 0; node < 4; ++node) EXPECT_EQ(PhaseOf(node), NodeState::kUsable);
}

TEST_F(HealthTest, LeavesOutHalfOfThemAtMost) {
  Ok(3, 1000);
  for (int node = 0; node < 3; ++node) Fail(node, 10);
  int out = 0;
  for (int node = 0; node < 4; ++node) out += PhaseOf(node) == NodeState::kUsable ? 0 : 1;
  EXPECT_LE(out, 2);
  EXPECT_GE(out, 1);
}

TEST_F(HealthTest, LeavesOutNoneOfOne) {
  nodes_.resize(1);
  health_->SetNodes(nodes_);
  Fail(0, 50);
  EXPECT_EQ(PhaseOf(0), NodeState::kUsable);
}

TEST_F(HealthTest, DoesNotBlameANodeForACallersMistake) {
  Ok(1, 10);
  for (const absl::Status& error :
       {absl::InvalidArgumentError(""), absl::NotFoundError(""), absl::PermissionDeniedError(""),
        absl::FailedPreconditionError(""), absl::UnimplementedError("")}) {
    Fail(0, 10, error);
    EXPECT_EQ(PhaseOf(0), NodeState::kUsable) << error;
  }
}

TEST_F(HealthTest, TriesAgainWhenTheTryingCallWasAbandoned) {
  CannotReach(0);
  clock_.Advance(absl::Milliseconds(100));
  ASSERT_TRUE(nodes_[0]->TakeTrial());
  Health::TrialAbandoned(*nodes_[0]);
  Try(0, true);
}

TEST_F(HealthTest, BeginsAnewWithANodeThatDidWellForLong) {
  CannotReach(0);
  clock_.Advance(absl::Milliseconds(100));
  Try(0, true);
  clock_.Advance(absl::Milliseconds(101));
  CannotReach(0);
  EXPECT_EQ(health_->EjectionOf(*nodes_[0])->times, 1);
  clock_.Advance(absl::Milliseconds(100));
  Try(0, true);
  CannotReach(0);
  EXPECT_EQ(health_->EjectionOf(*nodes_[0])->times, 2) << "it failed again at once";
}

TEST_F(HealthTest, ForgetsFailuresOfLongAgo) {
  Ok(1, 10);
  Fail(0, 4);
  Ok(0);
  clock_.Advance(absl::Seconds(11));
  Ok(0, 30);
  Fail(0, 4);
  EXPECT_EQ(PhaseOf(0), NodeState::kUsable);
}

TEST_F(HealthTest, KnowsNothingOfANodeThatIsGone) {
  const NodeStatePtr gone = nodes_[0];
  CannotReach(0);
  nodes_.erase(nodes_.begin());
  health_->SetNodes(nodes_);
  health_->Failed(*gone, absl::UnavailableError("refused"), true);
  health_->Succeeded(*gone);
  clock_.Advance(absl::Minutes(1));
  EXPECT_EQ(gone->phase(), NodeState::kEjected);
}

TEST_F(HealthTest, MayBeTurnedOff) {
  auto off = std::make_shared<Health>(EjectionOptions{.enabled = false}, clock_, [] {});
  off->SetNodes(nodes_);
  off->Failed(*nodes_[0], absl::UnavailableError("refused"), true);
  EXPECT_EQ(PhaseOf(0), NodeState::kUsable);
  off->SetNodes({});
}

}  // namespace
}  // namespace micro::selector
