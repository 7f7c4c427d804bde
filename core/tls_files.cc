#include "core/tls_files.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "core/status_macros.h"

namespace micro {
namespace {

// The text of a PEM file of the kind that `marker` says ("CERTIFICATE", "PRIVATE KEY"); empty for
// no file.
absl::StatusOr<std::string> ReadPem(const std::string& file, const std::string& flag,
                                    std::string_view marker) {
  if (file.empty()) return std::string();
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf())) {
    return absl::InvalidArgumentError(
        fmt::format("cannot read {} (flag --{}): {}", file, flag,
                    errno != 0 ? std::strerror(errno) : "it is empty"));
  }
  if (text.str().find(fmt::format("{}-----", marker)) == std::string::npos) {
    return absl::InvalidArgumentError(
        fmt::format("{} (flag --{}) holds no PEM {}", file, flag, marker));
  }
  return text.str();
}

}  // namespace

absl::StatusOr<TlsFiles> ReadTlsFiles(const TlsFiles& files, std::string_view side) {
  if (files.cert.empty() != files.key.empty()) {
    return absl::InvalidArgumentError(
        fmt::format("--{0}_tls_cert and --{0}_tls_key go together: only one is set", side));
  }
  TlsFiles texts;
  ASSIGN_OR_RETURN(texts.ca, ReadPem(files.ca, fmt::format("{}_tls_ca", side), "CERTIFICATE"));
  ASSIGN_OR_RETURN(texts.cert,
                   ReadPem(files.cert, fmt::format("{}_tls_cert", side), "CERTIFICATE"));
  ASSIGN_OR_RETURN(texts.key, ReadPem(files.key, fmt::format("{}_tls_key", side), "PRIVATE KEY"));
  return texts;
}

}  // namespace micro
