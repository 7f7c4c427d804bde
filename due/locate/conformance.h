// The conformance suite of locators: what locator.h promises, as tests that every implementation
// passes.
//
//   #include "due/locate/conformance.h"
//   INSTANTIATE_TEST_SUITE_P(Memory, LocatorConformance, testing::Values(LocatorImplementation{
//       .start = [] { return [] { return PluginTable<Locator>::Create("memory", {}).value(); }; }}));
//
// Include it in one .cc file of a test.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "core/task.h"
#include "core/testing/status_matchers.h"
#include "due/locate/locator.h"

namespace due {

// Opens a handle onto one set of locations, as one process would.
using OpenLocator = std::function<std::unique_ptr<Locator>()>;

struct LocatorImplementation {
  // Makes an empty place for locations and gives back the way in.
  std::function<OpenLocator()> start;
};

// Each test has two handles onto the same locations, as two processes have.
class LocatorConformance : public testing::TestWithParam<LocatorImplementation> {
 protected:
  LocatorConformance() : open_(GetParam().start()), here_(open_()), there_(open_()) {}

  std::string Gate(int64_t uid) {
    const auto found = BlockOn(there_->LocateGate(micro::Context(), uid));
    return found.ok() ? *found : found.status().ToString();
  }
  std::string Node(int64_t uid, const std::string& name) {
    const auto found = BlockOn(there_->LocateNode(micro::Context(), uid, name));
    return found.ok() ? *found : found.status().ToString();
  }
  std::unique_ptr<LocationWatcher> Watch(LocationWatch watch = {}) {
    auto watcher = BlockOn(there_->Watch(micro::Context(), watch));
    EXPECT_TRUE(watcher.ok()) << watcher.status();
    return *std::move(watcher);
  }
  static LocationEvent Next(LocationWatcher& watcher) {
    const auto event =
        BlockOn(watcher.Next(micro::WithTimeout(micro::Context(), absl::Minutes(1))));
    EXPECT_TRUE(event.ok()) << event.status();
    return event.value_or(LocationEvent());
  }

  const micro::Context ctx_;
  const OpenLocator open_;
  const std::unique_ptr<Locator> here_, there_;
};

TEST_P(LocatorConformance, KnowsNothingOfAStranger) {
  EXPECT_EQ(Gate(1), "");
  EXPECT_EQ(Node(1, "hall"), "");
  const auto nodes = BlockOn(there_->LocateNodes(ctx_, 1));
  ASSERT_TRUE(nodes.ok());
  EXPECT_TRUE(nodes->empty());
}

TEST_P(LocatorConformance, FindsTheGateThatAnotherHandleBound) {
  EXPECT_THAT(BlockOn(here_->BindGate(ctx_, 1001, "g1")), micro::IsOk());
  EXPECT_EQ(Gate(1001), "g1");
  EXPECT_EQ(Gate(1002), "");
}

TEST_P(LocatorConformance, TheLastGateThatWasBoundCounts) {
  EXPECT_THAT(BlockOn(here_->BindGate(ctx_, 1001, "g1")), micro::IsOk());
  EXPECT_THAT(BlockOn(here_->BindGate(ctx_, 1001, "g2")), micro::IsOk());
  EXPECT_EQ(Gate(1001), "g2");
}

TEST_P(LocatorConformance, KeepsOneNodeOfEachName) {
  EXPECT_THAT(BlockOn(here_->BindNode(ctx_, 1001, "hall", "n1")), micro::IsOk());
  EXPECT_THAT(BlockOn(here_->BindNode(ctx_, 1001, "room", "n2")), micro::IsOk());
  EXPECT_THAT(BlockOn(here_->BindNode(ctx_, 1001, "hall", "n3")), micro::IsOk());
  EXPECT_EQ(Node(1001, "hall"), "n3");
  EXPECT_EQ(Node(1001, "room"), "n2");
  EXPECT_EQ(Node(1001, "shop"), "");
  EXPECT_EQ(BlockOn(there_->LocateNodes(ctx_, 1001)).value(),
            (Locator::Nodes{{"hall", "n3"}, {"room", "n2"}}));
  EXPECT_EQ(Gate(1001), "");
}

TEST_P(LocatorConformance, UnbindsAGateOnlyWhereTheUserIs) {
  EXPECT_THAT(BlockOn(here_->BindGate(ctx_, 1001, "g2")), micro::IsOk());
  EXPECT_FALSE(BlockOn(there_->UnbindGate(ctx_, 1001, "g1")).value());
  EXPECT_EQ(Gate(1001), "g2");
  EXPECT_TRUE(BlockOn(there_->UnbindGate(ctx_, 1001, "g2")).value());
  EXPECT_EQ(Gate(1001), "");
  EXPECT_FALSE(BlockOn(there_->UnbindGate(ctx_, 1001, "g2")).value());
}

TEST_P(LocatorConformance, UnbindsANodeOnlyWhereTheUserIs) {
  EXPECT_THAT(BlockOn(here_->BindNode(ctx_, 1001, "hall", "n1")), micro::IsOk());
  EXPECT_FALSE(BlockOn(there_->UnbindNode(ctx_, 1001, "hall", "n2")).value());
  EXPECT_FALSE(BlockOn(there_->UnbindNode(ctx_, 1001, "room", "n1")).value());
  EXPECT_EQ(Node(1001, "hall"), "n1");
  EXPECT_TRUE(BlockOn(there_->UnbindNode(ctx_, 1001, "hall", "n1")).value());
  EXPECT_EQ(Node(1001, "hall"), "");
}

TEST_P(LocatorConformance, TakesAnyBytesAsIdAndNameAndAnyUid) {
  const std::string odd("n\"\\\r\n<\xc3\xa9>\0x", 11);
  for (const int64_t uid : {int64_t{0}, int64_t{-5}, INT64_MAX, INT64_MIN}) {
    EXPECT_THAT(BlockOn(here_->BindNode(ctx_, uid, odd, odd)), micro::IsOk());
    EXPECT_EQ(Node(uid, odd), odd);
  }
}

TEST_P(LocatorConformance, RefusesEmptyIdsAndNames) {
  using absl::StatusCode;
  EXPECT_THAT(BlockOn(here_->BindGate(ctx_, 1, "")),
              micro::StatusIs(StatusCode::kInvalidArgument, testing::HasSubstr("gate id")));
  EXPECT_THAT(BlockOn(here_->BindNode(ctx_, 1, "", "n1")),
              micro::StatusIs(StatusCode::kInvalidArgument, testing::HasSubstr("node name")));
  EXPECT_THAT(BlockOn(here_->UnbindNode(ctx_, 1, "hall", "")).status(),
              micro::StatusIs(StatusCode::kInvalidArgument, testing::HasSubstr("node id")));
}

TEST_P(LocatorConformance, TellsWatchersOfEveryChangeInItsOrder) {
  const auto watcher = Watch();
  BlockOn(here_->BindGate(ctx_, 1001, "g1")).IgnoreError();
  EXPECT_EQ(Next(*watcher), (LocationEvent{LocationEvent::kBindGate, 1001, "g1", "gate", ""}));
  BlockOn(here_->BindNode(ctx_, 1001, "hall", "n1")).IgnoreError();
  EXPECT_EQ(Next(*watcher), (LocationEvent{LocationEvent::kBindNode, 1001, "n1", "node", "hall"}));
  EXPECT_TRUE(BlockOn(here_->UnbindGate(ctx_, 1001, "g1")).value());
  EXPECT_EQ(Next(*watcher), (LocationEvent{LocationEvent::kUnbindGate, 1001, "g1", "gate", ""}));
  EXPECT_TRUE(BlockOn(here_->UnbindNode(ctx_, 1001, "hall", "n1")).value());
  EXPECT_EQ(Next(*watcher),
            (LocationEvent{LocationEvent::kUnbindNode, 1001, "n1", "node", "hall"}));
}

TEST_P(LocatorConformance, AnUnbindThatChangedNothingIsNoEvent) {
  const auto watcher = Watch();
  EXPECT_FALSE(BlockOn(here_->UnbindGate(ctx_, 1, "g1")).value());
  EXPECT_FALSE(BlockOn(here_->UnbindNode(ctx_, 1, "hall", "n1")).value());
  EXPECT_THAT(BlockOn(here_->BindGate(ctx_, 2, "g1")), micro::IsOk());
  EXPECT_EQ(Next(*watcher).uid, 2);
}

TEST_P(LocatorConformance, TellsAWatcherOnlyOfItsKinds) {
  const auto gates = Watch({.gates = true, .nodes = false});
  const auto nodes = Watch({.gates = false, .nodes = true});
  EXPECT_THAT(BlockOn(here_->BindNode(ctx_, 1, "hall", "n1")), micro::IsOk());
  EXPECT_THAT(BlockOn(here_->BindGate(ctx_, 2, "g1")), micro::IsOk());
  EXPECT_THAT(BlockOn(here_->BindNode(ctx_, 3, "hall", "n1")), micro::IsOk());
  EXPECT_EQ(Next(*gates).uid, 2);
  EXPECT_EQ(Next(*nodes).uid, 1);
  EXPECT_EQ(Next(*nodes).uid, 3);
}

TEST_P(LocatorConformance, AWatchEndsWithItsContextAndWithStop) {
  const auto watcher = Watch();
  EXPECT_THAT(BlockOn(watcher->Next(micro::WithTimeout(ctx_, absl::Milliseconds(5)))).status(),
              micro::StatusIs(absl::StatusCode::kDeadlineExceeded));
  watcher->Stop();
  EXPECT_THAT(BlockOn(watcher->Next(ctx_)).status(), micro::StatusIs(absl::StatusCode::kCancelled));
}

TEST_P(LocatorConformance, HonoursAContextThatHasEnded) {
  const auto [ended, cancel] = micro::WithCancel(ctx_);
  cancel();
  const auto is_cancelled = micro::StatusIs(absl::StatusCode::kCancelled);
  EXPECT_THAT(BlockOn(here_->LocateGate(ended, 1)).status(), is_cancelled);
  EXPECT_THAT(BlockOn(here_->BindGate(ended, 1, "g1")), is_cancelled);
  EXPECT_THAT(BlockOn(here_->UnbindNode(ended, 1, "hall", "n1")).status(), is_cancelled);
  EXPECT_THAT(BlockOn(here_->Watch(ended, {})).status(), is_cancelled);
  EXPECT_EQ(Gate(1), "");
}

}  // namespace due
