// The google.api.http option of a method: the REST form that go-micro's api gateway gives to a
// call.
#pragma once

#include <google/protobuf/descriptor.h>

#include <optional>
#include <string>

namespace micro::generator {

struct HttpRule {
  std::string method;  // "GET", "PUT", "POST", "DELETE" or "PATCH"
  std::string path;    // "/v1/items/{id}"
  std::string body;    // the field that holds the body, "*" for all; empty: none
};

// The option's rule; none where there is no option, or only a custom verb. Additional bindings are
// left out, as in go-micro. It is read from the unknown fields, so that nothing of googleapis is
// linked.
std::optional<HttpRule> HttpRuleOf(const google::protobuf::MethodDescriptor& method);

}  // namespace micro::generator
