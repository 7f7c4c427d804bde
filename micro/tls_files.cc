#include "micro/tls_files.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace micro {

absl::StatusOr<std::string> ReadPem(const std::string& file, std::string_view flag,
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

absl::Status CheckCertAndKey(const std::string& cert, const std::string& key,
                             std::string_view side) {
  if (cert.empty() == key.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("--{0}_tls_cert and --{0}_tls_key go together: only one is set", side));
}

}  // namespace micro
