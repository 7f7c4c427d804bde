#include "cmd/protoc-gen-micro-cpp/http_rule.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/unknown_field_set.h>

namespace micro::generator {

namespace {

constexpr int kHttpExtension = 72295728;  // google.api.http of MethodOptions
constexpr int kBody = 7;                  // and below: fields of google.api.HttpRule

const char* VerbOf(int field) {
  switch (field) {
    case 2:
      return "GET";
    case 3:
      return "PUT";
    case 4:
      return "POST";
    case 5:
      return "DELETE";
    case 6:
      return "PATCH";
    default:
      return nullptr;
  }
}

}  // namespace

std::optional<HttpRule> HttpRuleOf(const google::protobuf::MethodDescriptor& method) {
  const auto& options = method.options().GetReflection()->GetUnknownFields(method.options());
  HttpRule rule;
  for (int i = 0; i < options.field_count(); ++i) {
    const auto& option = options.field(i);
    if (option.number() != kHttpExtension) continue;
    if (option.type() != google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) continue;
    google::protobuf::UnknownFieldSet fields;
    if (!fields.ParseFromString(option.length_delimited())) continue;
    for (int j = 0; j < fields.field_count(); ++j) {
      const auto& field = fields.field(j);
      if (field.type() != google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED) continue;
      if (const char* verb = VerbOf(field.number())) {
        rule.method = verb;
        rule.path = field.length_delimited();
      } else if (field.number() == kBody) {
        rule.body = field.length_delimited();
      }
    }
  }
  if (rule.path.empty()) return std::nullopt;
  return rule;
}

}  // namespace micro::generator
