// The errors that a client makes itself, and what it adds to those of a call's last attempt. Internal.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "selector/plight.h"

namespace micro {

// An error of this process: id go.micro.client.
absl::Status ClientError(std::string detail, absl::StatusCode code, int micro_code = 500);

// Of a call whose context has ended with `ended`: code 408.
absl::Status TimedOut(const absl::Status& ended);

// The last error of a call that there is no budget to try again.
absl::Status NotTriedAgain(const absl::Status& failure, std::string_view service);

// Whether the nodes or the way to them may be why a call has failed: it never left the process, or
// ended as it does on a node that is in trouble; and no handler has put it in words of its own.
bool MayBeForLackOfNodes(const absl::Status& failure);

// Such an error with what stands against the service's calls. Code, id and marks stay.
absl::Status WithPlight(const absl::Status& failure, std::string_view service,
                        const selector::Plight& plight);

}  // namespace micro
