// protoc-gen-micro-cpp: services of .proto files as C++ handlers and clients of micro-cpp.
// README.md shows how to run it.
#include <google/protobuf/compiler/plugin.h>

#include "cmd/protoc-gen-micro-cpp/generator.h"

int main(int argc, char** argv) {
  const micro::generator::Generator generator;
  return google::protobuf::compiler::PluginMain(argc, argv, &generator);
}
