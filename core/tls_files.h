// The PEM files of --server_tls_*, --client_tls_* and --registry_tls_* flags, checked so that a
// mistake is named by its flag and file.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace micro {

// Files, or what they hold; empty: none.
struct TlsFiles {
  std::string ca = {};    // whom to trust
  std::string cert = {};  // our own certificate chain
  std::string key = {};   // and its private key
};

// What the files hold. INVALID_ARGUMENT names the flag (--<side>_tls_ca, …) and file: one that
// cannot be read or is no such PEM file, a certificate without key or a key without certificate.
absl::StatusOr<TlsFiles> ReadTlsFiles(const TlsFiles& files, std::string_view side);

}  // namespace micro
