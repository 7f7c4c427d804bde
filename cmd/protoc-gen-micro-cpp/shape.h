// What the four kinds of method look like in generated C++: their parameters, results and the
// functions behind them.
#pragma once

#include <string>
#include <vector>

#include "cmd/protoc-gen-micro-cpp/model.h"

namespace micro::generator {

struct Parameter {
  std::string type;  // "const ::micro::Context&"
  std::string name;
};

struct Shape {
  std::string kind;                // of micro::MethodKind
  std::string new_endpoint;        // of micro/handler.h, with its types
  std::vector<Parameter> handler;  // what a handler's method takes
  std::string call;                // of micro/generated.h, with its types
  std::vector<Parameter> client;   // what a client's method takes, but for its options
  std::string client_result;       // what it comes back with
};

Shape ShapeOf(const Method& method);

}  // namespace micro::generator
