// What go-micro's mDNS registry writes about a node into its TXT record: hex(zlib(JSON)), cut into
// strings of 255 characters. The JSON is {"Metadata":{…},"Service":…,"Version":…,"Endpoints":[…]}.
//
// Any strings may be decoded: at most 1 MiB is inflated. All functions may be called from any
// thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "registry/registry.h"

namespace micro::registry {

struct TxtRecord {
  Labels metadata = {};  // the node's
  std::string service = {};
  std::string version = {};
  std::vector<Endpoint> endpoints = {};
  friend bool operator==(const TxtRecord&, const TxtRecord&) = default;
};

std::vector<std::string> EncodeTxt(const TxtRecord& record);

// INVALID_ARGUMENT: these strings are no such record, or one that is too large or too deep.
absl::StatusOr<TxtRecord> DecodeTxt(const std::vector<std::string>& strings);

}  // namespace micro::registry
