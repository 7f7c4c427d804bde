#include "selector/group.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace micro::selector {
namespace {

// How many of the leading parts of two places agree: "eu/a" and "eu/b" have one in common.
size_t Common(std::string_view a, std::string_view b) {
  size_t parts = 0;
  while (!a.empty() && !b.empty()) {
    const size_t a_end = std::min(a.find('/'), a.size()), b_end = std::min(b.find('/'), b.size());
    if (a.substr(0, a_end) != b.substr(0, b_end)) break;
    ++parts;
    a.remove_prefix(std::min(a_end + 1, a.size()));
    b.remove_prefix(std::min(b_end + 1, b.size()));
  }
  return parts;
}

// The nodes that are nearest, as long as at least half of them can be used: else those few would get
// the calls of all.
Candidates Near(const Candidates& all, std::string_view locality) {
  std::vector<size_t> nearness;
  for (const Candidate& candidate : all) {
    const auto place = candidate.state->node.metadata.find("locality");
    nearness.push_back(
        place == candidate.state->node.metadata.end() ? 0 : Common(locality, place->second));
  }
  const size_t nearest = nearness.empty() ? 0 : *std::max_element(nearness.begin(), nearness.end());
  for (size_t least = nearest; least > 0; --least) {
    Candidates near;
    for (size_t i = 0; i < all.size(); ++i) {
      if (nearness[i] >= least) near.push_back(all[i]);
    }
    const auto usable = std::count_if(near.begin(), near.end(), [](const Candidate& candidate) {
      return candidate.state->usable();
    });
    if (static_cast<size_t>(usable) * 2 >= near.size()) return near;
  }
  return all;
}

}  // namespace

Group::Group(Candidates all, std::string_view locality, Strategy& strategy) : all_(std::move(all)) {
  const Candidates near = locality.empty() ? all_ : Near(all_, locality);
  for (const Candidate& candidate : near) {
    const NodeState::Phase phase = candidate.state->phase();
    if (phase == NodeState::kUsable) chosen_.push_back(candidate);
    if (phase == NodeState::kOnTrial) on_trial_.push_back(candidate);
  }
  has_usable_ = !chosen_.empty();
  // A node that fails is still a better hope than none.
  if (chosen_.empty()) chosen_ = all_;
  if (!chosen_.empty()) picker_ = strategy.NewPicker(chosen_);
}

// The node on trial that this call is to try, or null.
NodeState* Group::TakeTrial() const {
  for (const Candidate& candidate : on_trial_) {
    if (candidate.state->TakeTrial()) return candidate.state;
  }
  return nullptr;
}

bool Group::AwaitsTrial() const {
  return std::any_of(on_trial_.begin(), on_trial_.end(), [](const Candidate& candidate) {
    return candidate.state->phase() == NodeState::kOnTrial;
  });
}

}  // namespace micro::selector
