#include "cmd/protoc-gen-micro-cpp/generator.h"

#include <fmt/format.h>
#include <google/protobuf/io/printer.h>
#include <google/protobuf/io/zero_copy_stream.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "cmd/protoc-gen-micro-cpp/model.h"
#include "cmd/protoc-gen-micro-cpp/writer.h"

namespace micro::generator {

namespace {

absl::StatusOr<std::string> IncludePrefix(const std::string& parameter) {
  std::vector<std::pair<std::string, std::string>> options;
  google::protobuf::compiler::ParseGeneratorParameter(parameter, &options);
  std::string prefix;
  for (const auto& [key, value] : options) {
    if (key != "include_prefix") {
      return absl::InvalidArgumentError(
          fmt::format("protoc-gen-micro-cpp has no parameter \"{}\"; known: include_prefix", key));
    }
    prefix = value.empty() || value.ends_with('/') ? value : value + "/";
  }
  return prefix;
}

bool Fail(const absl::Status& status, std::string* error) {
  *error = std::string(status.message());
  return false;
}

}  // namespace

bool Generator::Generate(const google::protobuf::FileDescriptor* descriptor,
                         const std::string& parameter,
                         google::protobuf::compiler::GeneratorContext* context,
                         std::string* error) const {
  const absl::StatusOr<std::string> prefix = IncludePrefix(parameter);
  if (!prefix.ok()) return Fail(prefix.status(), error);
  const absl::StatusOr<File> file = ReadFile(*descriptor);
  if (!file.ok()) return Fail(file.status(), error);

  const auto write = [&](const std::string& suffix, auto* writer) {
    const std::unique_ptr<google::protobuf::io::ZeroCopyOutputStream> stream(
        context->Open(file->stem + suffix));
    google::protobuf::io::Printer printer(stream.get(), '$');
    writer(*file, *prefix, printer);
  };
  write(".micro.h", &WriteHeader);
  write(".micro.cc", &WriteSource);
  return true;
}

}  // namespace micro::generator
