// Flags of a program's own, beside those of every service.
//
//   std::string name = "John";
//   auto service = micro::NewService({.name = "client", .flags = {{"name", &name, "who is greeted"}}});
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace micro {

struct ServiceOptions;

// --name=value or --name value; a bool is --name or --name=value, and the word after it is no part
// of it. One dash does as well. The variable holds the default and outlives Init.
struct Flag {
  using Target = std::variant<std::string*, std::vector<std::string>*, int*, int64_t*, double*,
                              bool*, absl::Duration*>;

  std::string name;  // without dashes
  Target target;
  std::string help;
  std::string environment = {};  // a variable that sets it too; empty: none
};

struct ParsedFlags {
  std::vector<std::string> rest;  // arguments that are no flags, and all behind "--"
  std::string help;               // not empty: --help was asked for, and this is it
};

// Reads `arguments` and the environment into `options` and the targets of its flags.
// INVALID_ARGUMENT names the setting.
absl::StatusOr<ParsedFlags> ParseFlags(const std::string& program,
                                       std::vector<std::string> arguments, ServiceOptions& options);

}  // namespace micro
