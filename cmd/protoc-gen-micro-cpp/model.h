// What the generator writes of a .proto file: its services and methods under their C++ names,
// checked.
#pragma once

#include <google/protobuf/descriptor.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "cmd/protoc-gen-micro-cpp/names.h"

namespace micro::generator {

struct Method {
  std::string name;       // in C++
  std::string endpoint;   // "Greeter.Hello"
  std::string grpc_path;  // "/helloworld.Greeter/Hello"
  bool client_streaming = false;
  bool server_streaming = false;
  std::string request;                                        // "::helloworld::HelloRequest"
  std::string response;                                       // "::helloworld::HelloResponse"
  std::vector<std::pair<std::string, std::string>> metadata;  // advertised with the endpoint
  std::string comment;                                        // C++ lines, or empty
  bool deprecated = false;
};

struct Service {
  std::string name;  // "Greeter"
  ServiceNames names;
  std::vector<Method> methods;  // in the .proto's order
  std::string comment;
  bool deprecated = false;
};

struct File {
  std::string proto;          // "helloworld/greeter.proto"
  std::string stem;           // "helloworld/greeter"
  std::string cpp_namespace;  // "helloworld"; empty: none
  std::vector<Service> services;
};

// INVALID_ARGUMENT names the service and methods that cannot both have the one C++ name that they
// would get.
absl::StatusOr<File> ReadFile(const google::protobuf::FileDescriptor& file);

}  // namespace micro::generator
