// The text of the two generated files.
#pragma once

#include <google/protobuf/io/printer.h>

#include <string>

#include "cmd/protoc-gen-micro-cpp/model.h"

namespace micro::generator {

// x.micro.h and x.micro.cc. `include_prefix` ("gen/" or empty) stands before the generated headers'
// names.
void WriteHeader(const File& file, const std::string& include_prefix,
                 google::protobuf::io::Printer& out);
void WriteSource(const File& file, const std::string& include_prefix,
                 google::protobuf::io::Printer& out);

}  // namespace micro::generator
