#include "cmd/protoc-gen-micro-cpp/model.h"

#include <fmt/format.h>
#include <google/protobuf/compiler/cpp/names.h>
#include <google/protobuf/descriptor.pb.h>

#include <map>

#include "cmd/protoc-gen-micro-cpp/comments.h"
#include "cmd/protoc-gen-micro-cpp/http_rule.h"
#include "core/status_macros.h"

namespace micro::generator {

namespace {

namespace pb = google::protobuf;

// The private member of a generated client.
constexpr char kClientMember[] = "callee_";

// go-micro's keys: `stream` of its server, the others of its api endpoints.
std::vector<std::pair<std::string, std::string>> MetadataOf(const pb::MethodDescriptor& method,
                                                            const std::string& endpoint) {
  std::vector<std::pair<std::string, std::string>> metadata;
  if (const auto rule = HttpRuleOf(method)) {
    if (rule->method != "GET" && !rule->body.empty()) metadata.emplace_back("body", rule->body);
    metadata.emplace_back("endpoint", endpoint);
    metadata.emplace_back("handler", "rpc");
    metadata.emplace_back("method", rule->method);
    metadata.emplace_back("path", rule->path);
  }
  if (method.client_streaming() || method.server_streaming())
    metadata.emplace_back("stream", "true");
  return metadata;
}

Method ReadMethod(const pb::MethodDescriptor& method, const Service& service) {
  const std::string endpoint = service.name + "." + method.name();
  return {.name = Identifier(method.name(), {service.names.handler, service.names.client,
                                             service.names.methods, kClientMember}),
          .endpoint = endpoint,
          .grpc_path = "/" + method.service()->full_name() + "/" + method.name(),
          .client_streaming = method.client_streaming(),
          .server_streaming = method.server_streaming(),
          .request = pb::compiler::cpp::QualifiedClassName(method.input_type()),
          .response = pb::compiler::cpp::QualifiedClassName(method.output_type()),
          .metadata = MetadataOf(method, endpoint),
          .comment = CommentOf(method),
          .deprecated = method.options().deprecated()};
}

absl::StatusOr<Service> ReadService(const pb::ServiceDescriptor& descriptor) {
  const std::string name = CamelCase(descriptor.name());
  Service service{.name = name,
                  .names = ServiceNames(name),
                  .methods = {},
                  .comment = CommentOf(descriptor),
                  .deprecated = descriptor.options().deprecated()};
  std::map<std::string, std::string> taken;  // C++ name → name in the .proto
  for (int i = 0; i < descriptor.method_count(); ++i) {
    service.methods.push_back(ReadMethod(*descriptor.method(i), service));
    const auto [other, is_new] =
        taken.emplace(service.methods.back().name, descriptor.method(i)->name());
    if (!is_new) {
      return absl::InvalidArgumentError(fmt::format(
          "service {}: methods {} and {} would both be {} in C++; rename one", descriptor.name(),
          other->second, descriptor.method(i)->name(), other->first));
    }
  }
  return service;
}

// What protoc writes into the namespace of the package under this name, or an empty text.
std::string TakenByProtoc(const pb::FileDescriptor& file, const std::string& name) {
  const std::string full_name = file.package().empty() ? name : file.package() + "." + name;
  const pb::DescriptorPool& pool = *file.pool();
  if (pool.FindMessageTypeByName(full_name) != nullptr) return "message " + full_name;
  if (pool.FindEnumTypeByName(full_name) != nullptr) return "enum " + full_name;
  if (pool.FindEnumValueByName(full_name) != nullptr) return "enum value " + full_name;
  if (pool.FindExtensionByName(full_name) != nullptr) return "extension " + full_name;
  const pb::ServiceDescriptor* service = pool.FindServiceByName(full_name);
  if (service != nullptr && service->file()->options().cc_generic_services()) {
    return "the generic service " + full_name + " (option cc_generic_services)";
  }
  return "";
}

}  // namespace

absl::StatusOr<File> ReadFile(const pb::FileDescriptor& descriptor) {
  File file{.proto = descriptor.name(),
            .stem = pb::compiler::cpp::StripProto(descriptor.name()),
            .cpp_namespace = Namespace(descriptor.package()),
            .services = {}};
  std::map<std::string, std::string> taken;  // C++ name → service in the .proto
  for (int i = 0; i < descriptor.service_count(); ++i) {
    const std::string& proto_name = descriptor.service(i)->name();
    ASSIGN_OR_RETURN(Service service, ReadService(*descriptor.service(i)));
    for (const std::string& name : {service.names.handler, service.names.client,
                                    service.names.methods, service.names.register_function}) {
      std::string other = TakenByProtoc(descriptor, name);
      if (const auto found = taken.find(name); found != taken.end())
        other = "service " + found->second;
      if (!other.empty()) {
        return absl::InvalidArgumentError(fmt::format(
            "service {}: its C++ name {} is taken by {}; rename one", proto_name, name, other));
      }
      taken.emplace(name, proto_name);
    }
    file.services.push_back(std::move(service));
  }
  return file;
}

}  // namespace micro::generator
