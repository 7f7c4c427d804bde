// The protoc plugin: for each x.proto it writes x.micro.h and x.micro.cc, to stand beside protoc's
// own x.pb.h.
#pragma once

#include <google/protobuf/compiler/code_generator.h>

#include <cstdint>
#include <string>

namespace micro::generator {

class Generator final : public google::protobuf::compiler::CodeGenerator {
 public:
  // One parameter is known: include_prefix=DIR/, the folder to name before generated headers when
  // they are included.
  bool Generate(const google::protobuf::FileDescriptor* file, const std::string& parameter,
                google::protobuf::compiler::GeneratorContext* context,
                std::string* error) const override;

  uint64_t GetSupportedFeatures() const override { return FEATURE_PROTO3_OPTIONAL; }
};

}  // namespace micro::generator
