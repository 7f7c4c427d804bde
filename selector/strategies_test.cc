// What each strategy chooses among nodes that stay as they are.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>

#include "core/plugin_table.h"
#include "selector/strategy.h"

namespace micro::selector {
namespace {

using ::testing::Key;
using ::testing::UnorderedElementsAre;

std::unique_ptr<Strategy> NewStrategy(const std::string& name,
                                      const Strategy::PluginOptions& options = {}) {
  return *PluginTable<Strategy>::Create(name, options);
}

class Group {
 public:
  void Add(const std::string& id, registry::Labels metadata = {}) {
    states_.push_back(
        new NodeState({.id = id, .address = id + ":80", .metadata = std::move(metadata)}));
    candidates_.push_back({states_.back().get(), nullptr});
  }
  NodeState& operator[](size_t index) { return *states_[index]; }
  const Candidates& candidates() const { return candidates_; }
  size_t size() const { return states_.size(); }

 private:
  std::vector<NodeStatePtr> states_;
  Candidates candidates_;
};

Group Nodes(size_t count) {
  Group nodes;
  for (size_t i = 0; i < count; ++i) nodes.Add("node-" + std::to_string(i));
  return nodes;
}

// ---- weighted ----

std::map<std::string, double> Shares(const std::map<std::string, std::string>& weights) {
  Group nodes;
  for (const auto& [id, weight] : weights)
    nodes.Add(id, weight.empty() ? registry::Labels() : registry::Labels{{"weight", weight}});
  const auto picker = NewStrategy("weighted")->NewPicker(nodes.candidates());
  constexpr int kCalls = 100'000;
  std::map<std::string, double> shares;
  for (int i = 0; i < kCalls; ++i) shares[nodes[picker->Choose({})].node.id] += 1.0 / kCalls;
  return shares;
}

TEST(WeightedStrategy, ChoosesNodesAsOftenAsTheyWeigh) {
  const auto shares = Shares({{"a", "1"}, {"b", "2.5"}, {"c", "6"}, {"d", ""}, {"e", "0"}});
  EXPECT_THAT(shares, UnorderedElementsAre(Key("a"), Key("b"), Key("c"), Key("d")));
  EXPECT_NEAR(shares.at("a"), 1 / 10.5, 0.01);
  EXPECT_NEAR(shares.at("b"), 2.5 / 10.5, 0.02);
  EXPECT_NEAR(shares.at("c"), 6 / 10.5, 0.02);
  EXPECT_NEAR(shares.at("d"), 1 / 10.5, 0.01);
}

TEST(WeightedStrategy, TakesNodesOfWeightZeroWhenThereIsNoOther) {
  const auto shares = Shares({{"a", "0"}, {"b", "0"}});
  EXPECT_NEAR(shares.at("a"), 0.5, 0.02);
  EXPECT_NEAR(shares.at("b"), 0.5, 0.02);
}

TEST(WeightedStrategy, TakesAWeightThatIsNoneForOne) {
  const auto shares = Shares({{"a", "heavy"}, {"b", "-1"}, {"c", "1e9"}, {"d", "nan"}, {"e", "1"}});
  ASSERT_EQ(shares.size(), 5u);
  for (const auto& [id, share] : shares) EXPECT_NEAR(share, 0.2, 0.02) << id;
}

// ---- least ----

TEST(LeastStrategy, ChoosesTheNodeWithTheFewestCallsInFlight) {
  Group nodes = Nodes(5);
  for (size_t i = 0; i < nodes.size(); ++i) {
    nodes[i].lane(0).begun = 3;
    nodes[i].lane(1).begun = static_cast<int64_t>(5 - i);
  }
  nodes[4].lane(1).begun = 9;
  const auto least = NewStrategy("least")->NewPicker(nodes.candidates());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(least->Choose({}), 3u);
}

TEST(LeastStrategy, SpreadsCallsOverNodesThatAreAlike) {
  Group nodes = Nodes(4);
  const auto least = NewStrategy("least")->NewPicker(nodes.candidates());
  std::map<size_t, int> chosen;
  for (int i = 0; i < 4000; ++i) ++chosen[least->Choose({})];
  ASSERT_EQ(chosen.size(), 4u);
  for (const auto& [node, count] : chosen) EXPECT_NEAR(count, 1000, 300) << node;
}

TEST(LeastStrategy, FindsIdleNodesAmongMany) {
  Group nodes = Nodes(1000);
  for (size_t i = 0; i < nodes.size(); ++i) nodes[i].lane(0).begun = i % 10 == 0 ? 0 : 1;
  const auto least = NewStrategy("least")->NewPicker(nodes.candidates());
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(nodes[least->Choose({})].in_flight(), 0);
}

// ---- hash ----

class Hashed {
 public:
  explicit Hashed(Group& nodes, const std::string& key = "X-User")
      : nodes_(nodes), picker_(strategy_->NewPicker(nodes.candidates())), key_(key) {}

  std::string NodeOf(const std::string& user) {
    Metadata metadata;
    metadata.Set(key_, user);
    return nodes_[picker_->Choose({.metadata = &metadata})].node.id;
  }
  // Of a thousand users.
  std::map<std::string, std::string> All() {
    std::map<std::string, std::string> all;
    for (int i = 0; i < 1000; ++i) {
      const std::string user = "user-" + std::to_string(i);
      all[user] = NodeOf(user);
    }
    return all;
  }
  Picker& picker() { return *picker_; }

 private:
  Group& nodes_;
  const std::unique_ptr<Strategy> strategy_ = NewStrategy("hash", {.hash_key = "x-user"});
  const std::unique_ptr<Picker> picker_;
  const std::string key_;
};

TEST(HashStrategy, SendsTheSameKeyToTheSameNodeEverywhere) {
  Group nodes = Nodes(10), same;
  for (size_t i = 10; i > 0; --i) same.Add("node-" + std::to_string(i - 1));  // in another order
  EXPECT_EQ(Hashed(nodes).All(), Hashed(same).All());
}

TEST(HashStrategy, SpreadsKeysOverAllNodes) {
  Group nodes = Nodes(10);
  std::map<std::string, int> users;
  for (const auto& [user, node] : Hashed(nodes).All()) ++users[node];
  ASSERT_EQ(users.size(), 10u);
  for (const auto& [node, count] : users) EXPECT_NEAR(count, 100, 60) << node;
}

TEST(HashStrategy, MovesOnlyTheKeysOfANodeThatGoes) {
  Group ten = Nodes(10), nine = Nodes(9);  // without node-9
  const auto before = Hashed(ten).All(), after = Hashed(nine).All();
  for (const auto& [user, node] : before) {
    if (node != "node-9") EXPECT_EQ(after.at(user), node) << user;
  }
}

TEST(HashStrategy, PassesCallsOfANodeThatHasTooManyOnToOneOther) {
  Group nodes = Nodes(4);
  Hashed hashed(nodes);
  const std::string usual = hashed.NodeOf("ann");
  for (size_t i = 0; i < nodes.size(); ++i)
    nodes[i].lane(0).begun = nodes[i].node.id == usual ? 100 : 10;
  std::map<std::string, int> others;
  for (int i = 0; i < 64; ++i) {
    const std::string node = hashed.NodeOf("ann");
    if (i >= 32) ++others[node];  // what all have was counted by then
  }
  EXPECT_EQ(others.size(), 1u);
  EXPECT_FALSE(others.contains(usual));
}

TEST(HashStrategy, ChoosesAnyNodeForCallsWithoutTheKey) {
  Group nodes = Nodes(3);
  Hashed hashed(nodes);
  std::map<size_t, int> chosen;
  const Metadata none;
  for (int i = 0; i < 300; ++i) ++chosen[hashed.picker().Choose({.metadata = &none})];
  for (int i = 0; i < 300; ++i) ++chosen[hashed.picker().Choose({})];
  EXPECT_EQ(chosen.size(), 3u);
}

TEST(HashStrategy, TakesTheOnlyNodeHoweverBusy) {
  Group nodes = Nodes(1);
  nodes[0].lane(0).begun = 1000;
  EXPECT_EQ(Hashed(nodes).NodeOf("ann"), "node-0");
}

// ---- static ----

TEST(StaticStrategy, MakesTheAddressOfTheName) {
  const auto plain = NewStrategy("static");
  EXPECT_EQ(plain->NodeWithoutDiscovery("greeter")->address, "greeter:8080");
  EXPECT_EQ(plain->NodeWithoutDiscovery("127.0.0.1:9")->address, "127.0.0.1:9");
  setenv("STATIC_SELECTOR_DOMAIN_NAME", "default.svc", 1);
  setenv("STATIC_SELECTOR_PORT_NUMBER", "9090", 1);
  EXPECT_EQ(NewStrategy("static")->NodeWithoutDiscovery("greeter")->address,
            "greeter.default.svc:9090");
  unsetenv("STATIC_SELECTOR_DOMAIN_NAME");
  unsetenv("STATIC_SELECTOR_PORT_NUMBER");
}

}  // namespace
}  // namespace micro::selector
