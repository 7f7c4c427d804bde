// NodeLinks is whom a node can reach: the gates, by their ids, and the locator. Internal.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "absl/status/statusor.h"
#include "core/published.h"
#include "due/link/pool.h"
#include "due/locate/locator.h"
#include "due/packet/packer.h"

namespace due {

class NodeLinks {
 public:
  struct Gate {
    std::string id = {}, address = {};
  };

  // `nid` and `name` are the node's own. The others outlive it.
  NodeLinks(std::string nid, std::string name, const Packer& packer, LinkPool& pool,
            Locator& locator)
      : nid_(std::move(nid)),
        name_(std::move(name)),
        packer_(packer),
        pool_(pool),
        locator_(locator) {}

  const std::string& nid() const { return nid_; }
  const std::string& name() const { return name_; }
  const Packer& packer() const { return packer_; }
  Locator& locator() const { return locator_; }

  // The gates that there are from now on.
  void SetGates(const std::vector<Gate>& gates);

  // UNAVAILABLE: no gate of this id is known.
  absl::StatusOr<std::shared_ptr<LinkClient>> GateOf(const std::string& gid) const;

 private:
  using Gates = std::unordered_map<std::string, std::shared_ptr<LinkClient>>;

  const std::string nid_, name_;
  const Packer packer_;
  LinkPool& pool_;
  Locator& locator_;
  micro::Published<Gates> gates_;
};

}  // namespace due
