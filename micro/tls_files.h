// The PEM files of the --server_tls_* and --client_tls_* flags, checked so that a mistake is named
// by its flag. For wires.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace micro {

// The text of a PEM file of the kind that `marker` says ("CERTIFICATE", "PRIVATE KEY"); empty for
// no file. INVALID_ARGUMENT names file and flag.
absl::StatusOr<std::string> ReadPem(const std::string& file, std::string_view flag,
                                    std::string_view marker);

// INVALID_ARGUMENT when only one of certificate and key is set; `side`: "server", "client".
absl::Status CheckCertAndKey(const std::string& cert, const std::string& key,
                             std::string_view side);

}  // namespace micro
