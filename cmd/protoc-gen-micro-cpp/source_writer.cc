#include <google/protobuf/io/printer.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "cmd/protoc-gen-micro-cpp/layout.h"
#include "cmd/protoc-gen-micro-cpp/writer.h"

namespace micro::generator {

namespace {

using google::protobuf::io::Printer;

std::vector<Parameter> WithoutNames(std::vector<Parameter> parameters) {
  for (Parameter& parameter : parameters) parameter.name.clear();
  return parameters;
}

// "::std::move(ctx), ::std::move(request), …"
std::string Moved(const std::vector<Parameter>& parameters) {
  std::string moved;
  for (const Parameter& parameter : parameters) {
    moved += (moved.empty() ? "" : ", ") + ("::std::move(" + parameter.name + ")");
  }
  return moved;
}

std::string Quoted(const std::string& text) { return "\"" + absl::CEscape(text) + "\""; }

void WriteHandler(const Service& service, Printer& out) {
  const std::string& name = service.names.handler;
  out.Print("$name$::~$name$() = default;\n", "name", name);
  for (const Method& method : service.methods) {
    out.Print("\n");
    WriteLines(Signature("::micro::Task<::absl::Status> " + name + "::" + method.name,
                         WithoutNames(ShapeOf(method).handler), " {"),
               out);
    out.Print("  return ::micro::generated::NotImplemented($methods$::$method$);\n}\n", "methods",
              service.names.methods, "method", method.name);
  }
}

void WriteEndpoint(const Service& service, const Method& method, Printer& out) {
  const Shape shape = ShapeOf(method);
  std::string parameters;
  std::string arguments;
  for (const Parameter& parameter : shape.handler) {
    const bool is_const = parameter.type.starts_with("const ");
    parameters += (parameters.empty() ? "" : ", ") +
                  std::string(is_const ? "const auto& " : "auto& ") + parameter.name;
    arguments += (arguments.empty() ? "" : ", ") + parameter.name;
  }
  out.Print(
      "endpoints.push_back(::micro::$new_endpoint$(\n"
      "    $methods$::$method$,\n"
      "    [handler]($parameters$) {\n"
      "      return handler->$method$($arguments$);\n"
      "    }));\n",
      "new_endpoint", shape.new_endpoint, "methods", service.names.methods, "method", method.name,
      "parameters", parameters, "arguments", arguments);
  if (method.metadata.empty()) return;
  out.Print("endpoints.back().metadata = {\n");
  for (const auto& [key, value] : method.metadata) {
    out.Print("    {$key$, $value$},\n", "key", Quoted(key), "value", Quoted(value));
  }
  out.Print("};\n");
}

void WriteRegister(const Service& service, Printer& out) {
  std::vector<Method> methods = service.methods;
  std::ranges::sort(methods, {},
                    &Method::endpoint);  // the order in which go-micro's servers list them
  WriteLines(Signature("void " + service.names.register_function,
                       {{"::micro::Server&", "server"},
                        {"::std::shared_ptr<" + service.names.handler + ">",
                         methods.empty() ? "" : "handler"},
                        {"::micro::HandlerOptions", "options"}},
                       " {"),
             out);
  out.Indent();
  out.Print("::std::vector<::micro::HandlerEndpoint> endpoints;\n");
  for (const Method& method : methods) WriteEndpoint(service, method, out);
  out.Print(
      "server.Handle(::micro::generated::NewHandler(\n"
      "    \"$name$\", ::std::move(endpoints), ::std::move(options)));\n",
      "name", service.name);
  out.Outdent();
  out.Print("}\n");
}

void WriteClient(const Service& service, Printer& out) {
  const std::string& name = service.names.client;
  WriteLines(
      Signature(name + "::" + name,
                {{"::std::string", "name"}, {"::std::shared_ptr<::micro::Client>", "client"}}, ""),
      out);
  out.Print(
      "    : callee_(::std::make_shared<const ::micro::generated::Callee>(\n"
      "          ::std::move(name), ::std::move(client))) {}\n");
  for (const Method& method : service.methods) {
    const Shape shape = ShapeOf(method);
    std::vector<Parameter> parameters = shape.client;
    parameters.push_back({"::micro::CallOptions", "options"});
    out.Print("\n");
    WriteLines(Signature("::micro::Task<::absl::StatusOr<" + shape.client_result + ">> " + name +
                             "::" + method.name,
                         parameters, " const {"),
               out);
    out.Print(
        "  return ::micro::generated::$call$(\n"
        "      callee_, $methods$::$method$, $arguments$);\n}\n",
        "call", shape.call, "methods", service.names.methods, "method", method.name, "arguments",
        Moved(parameters));
  }
}

}  // namespace

void WriteSource(const File& file, const std::string& include_prefix, Printer& out) {
  WriteBanner(file, out);
  out.Print("#include \"$prefix$$stem$.micro.h\"\n", "prefix", include_prefix, "stem", file.stem);
  if (file.services.empty()) return;
  out.Print(
      "\n"
      "#include <utility>\n"
      "#include <vector>\n"
      "\n"
      "#include \"micro/generated.h\"\n"
      "#include \"micro/server.h\"\n"
      "\n");
  OpenNamespace(file, out);
  for (size_t i = 0; i < file.services.size(); ++i) {
    if (i > 0) out.Print("\n");
    WriteHandler(file.services[i], out);
    out.Print("\n");
    WriteRegister(file.services[i], out);
    out.Print("\n");
    WriteClient(file.services[i], out);
  }
  CloseNamespace(file, out);
}

}  // namespace micro::generator
