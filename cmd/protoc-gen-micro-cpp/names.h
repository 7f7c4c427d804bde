// How names of a .proto become names of C++ and of the wire.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace micro::generator {

// Go's exported form of a name, which go-micro puts on the wire for services: greeter → Greeter,
// my_shop → MyShop, _x → XX.
std::string CamelCase(std::string_view name);

// The name itself, or with a "_" behind it when it is a word of C++20, a standard macro, or one of
// `taken`.
std::string Identifier(std::string_view name, const std::set<std::string>& taken = {});

// The names that stand in C++ for a service; `service` is in Go's form.
struct ServiceNames {
  explicit ServiceNames(const std::string& service);

  std::string handler;            // GreeterHandler
  std::string register_function;  // RegisterGreeterHandler
  std::string client;             // GreeterService; not doubled for a service that is called so
  std::string methods;            // GreeterMethods
};

// acme.shop.v1 → acme::shop::v1
std::string Namespace(std::string_view package);

}  // namespace micro::generator
