// A Group is the nodes among which a call's is chosen: those of a service, or of one of its
// versions. Internal.
//
// It is made of what is known at one moment and never changes. Nodes that are left out are not
// chosen while there are others, those that are near come first.
#pragma once

#include <memory>
#include <string_view>

#include "selector/strategy.h"

namespace micro::selector {

class Group {
 public:
  // `locality`: where we are, "eu/a"; empty: anywhere. `strategy` outlives the group.
  Group(Candidates all, std::string_view locality, Strategy& strategy);
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  const Candidates& all() const { return all_; }
  bool empty() const { return all_.empty(); }

  // Whether a node is not left out, or one that was waits for the call that tries it.
  bool TakesCalls() const { return has_usable_ || AwaitsTrial(); }

  // The node for a call; the group is not empty.
  NodeState& Choose(const CallInfo& call) const {
    if (!on_trial_.empty()) [[unlikely]] {
      if (NodeState* const state = TakeTrial()) return *state;
    }
    return *chosen_[picker_->Choose(call)].state;
  }

 private:
  NodeState* TakeTrial() const;
  bool AwaitsTrial() const;

  const Candidates all_;
  Candidates chosen_;    // what the picker chooses among
  Candidates on_trial_;  // each gets one call, to see
  bool has_usable_ = false;
  std::unique_ptr<Picker> picker_;
};

}  // namespace micro::selector
