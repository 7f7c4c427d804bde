#include "micro/endpoint_value.h"

#include <google/protobuf/descriptor.h>

#include "absl/strings/str_replace.h"

namespace micro {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

constexpr int kLevels = 3;

// The Go name of a message or enum: without its package, nesting written with '_'.
template <class Type>
std::string GoName(const Type& type) {
  const std::string& package = type.file()->package();
  const std::string name =
      package.empty() ? type.full_name() : type.full_name().substr(package.size() + 1);
  return absl::StrReplaceAll(name, {{".", "_"}});
}

std::string GoType(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return "int32";
    case FieldDescriptor::CPPTYPE_INT64:
      return "int64";
    case FieldDescriptor::CPPTYPE_UINT32:
      return "uint32";
    case FieldDescriptor::CPPTYPE_UINT64:
      return "uint64";
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "float64";
    case FieldDescriptor::CPPTYPE_FLOAT:
      return "float32";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "bool";
    case FieldDescriptor::CPPTYPE_ENUM:
      return GoName(*field.enum_type());
    case FieldDescriptor::CPPTYPE_STRING:
      return field.type() == FieldDescriptor::TYPE_BYTES ? "[]uint8" : "string";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return GoName(*field.message_type());
  }
  return "";
}

registry::Value Tree(const Descriptor& message, std::string name, int level) {
  registry::Value value{.name = std::move(name), .type = GoName(message), .values = {}};
  if (level + 1 >= kLevels) return value;
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    if (field.is_map()) {
      value.values.push_back({.name = field.name(), .type = "", .values = {}});
    } else if (field.is_repeated()) {
      // [][]uint8 is "[]": a Go slice has no name of its own.
      const bool nameless = field.type() == FieldDescriptor::TYPE_BYTES;
      value.values.push_back(
          {.name = field.name(), .type = "[]" + (nameless ? "" : GoType(field)), .values = {}});
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      value.values.push_back(Tree(*field.message_type(), field.name(), level + 1));
    } else {
      value.values.push_back({.name = field.name(), .type = GoType(field), .values = {}});
    }
  }
  return value;
}

}  // namespace

registry::Value ValueOf(const Descriptor& message) { return Tree(message, GoName(message), 0); }

registry::Endpoint RecordOf(const HandlerEndpoint& endpoint) {
  registry::Endpoint record{.name = std::string(endpoint.method.endpoint),
                            .request = {},
                            .response = {},
                            .metadata = endpoint.metadata};
  if (endpoint.method.kind != MethodKind::kUnary) {
    record.request = {.name = "Context", .type = "Context", .values = {}};
    record.response = {.name = "Stream", .type = "Stream", .values = {}};
    record.metadata["stream"] = "true";
  } else {
    if (endpoint.request != nullptr) record.request = ValueOf(*endpoint.request);
    if (endpoint.response != nullptr) record.response = ValueOf(*endpoint.response);
  }
  return record;
}

}  // namespace micro
