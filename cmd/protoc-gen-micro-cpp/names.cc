#include "cmd/protoc-gen-micro-cpp/names.h"

#include <algorithm>
#include <array>

namespace micro::generator {

namespace {

// clang-format off
constexpr std::array kReserved = std::to_array<std::string_view>({
    "EOF", "NULL", "alignas", "alignof", "and", "and_eq", "asm", "assert", "auto", "bitand",
    "bitor", "bool", "break", "case", "catch", "char", "char16_t", "char32_t", "char8_t", "class",
    "co_await", "co_return", "co_yield", "compl", "concept", "const", "const_cast", "consteval",
    "constexpr", "constinit", "continue", "decltype", "default", "delete", "do", "double",
    "dynamic_cast", "else", "enum", "errno", "explicit", "export", "extern", "false", "float",
    "for", "friend", "goto", "if", "inline", "int", "long", "mutable", "namespace", "new",
    "noexcept", "not", "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected",
    "public", "register", "reinterpret_cast", "requires", "return", "short", "signed", "sizeof",
    "static", "static_assert", "static_cast", "struct", "switch", "template", "this",
    "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "union", "unsigned",
    "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq",
});
// clang-format on

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }

}  // namespace

// As protoc-gen-go: raised is a lower-case letter at the start, behind a digit, or behind an
// underscore, which then goes.
std::string CamelCase(std::string_view name) {
  std::string camel;
  size_t i = 0;
  if (name.starts_with('_')) {
    camel += 'X';
    i = 1;
  }
  bool raise = true;
  for (; i < name.size(); ++i) {
    const char c = name[i];
    if (c == '_' && i + 1 < name.size() && IsLower(name[i + 1])) {
      raise = true;
      continue;
    }
    camel += raise && IsLower(c) ? static_cast<char>(c - 'a' + 'A') : c;
    raise = c >= '0' && c <= '9';
  }
  return camel;
}

std::string Identifier(std::string_view name, const std::set<std::string>& taken) {
  std::string identifier(name);
  if (std::ranges::find(kReserved, name) != kReserved.end() || taken.contains(identifier))
    identifier += '_';
  return identifier;
}

ServiceNames::ServiceNames(const std::string& service)
    : handler(service + "Handler"),
      register_function("Register" + service + "Handler"),
      client(service.ends_with("Service") ? service : service + "Service"),
      methods(service + "Methods") {}

std::string Namespace(std::string_view package) {
  std::string name;
  for (const char c : package) {
    if (c == '.') {
      name += "::";
    } else {
      name += c;
    }
  }
  return name;
}

}  // namespace micro::generator
