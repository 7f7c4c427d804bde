#include <google/protobuf/io/printer.h>

#include "cmd/protoc-gen-micro-cpp/layout.h"
#include "cmd/protoc-gen-micro-cpp/writer.h"

namespace micro::generator {

namespace {

using google::protobuf::io::Printer;

constexpr size_t kWidthInClass = 98;

void WriteComment(const std::string& of_proto, const std::string& ours, Printer& out) {
  WriteLines(of_proto + (of_proto.empty() ? "" : "//\n") + ours, out);
}

void WriteMethodNames(const Service& service, Printer& out) {
  out.Print("// The names of $service$'s methods, as wrappers see them.\nstruct $methods$ {\n",
            "service", service.name, "methods", service.names.methods);
  out.Indent();
  for (const Method& method : service.methods) {
    out.Print(
        "static constexpr ::micro::Method $name${\n"
        "    .endpoint = \"$endpoint$\",\n"
        "    .grpc_path = \"$path$\",\n"
        "    .kind = ::micro::MethodKind::$kind$};\n",
        "name", method.name, "endpoint", method.endpoint, "path", method.grpc_path, "kind",
        ShapeOf(method).kind);
  }
  out.Outdent();
  out.Print("};\n\n");
}

void WriteHandler(const Service& service, Printer& out) {
  const std::string& name = service.names.handler;
  WriteComment(
      service.comment,
      "// Serves " + service.name +
          ". Methods run at once and on any thread; one that is not overridden answers\n"
          "// UNIMPLEMENTED. Context, request, response and stream are lent for the call.\n",
      out);
  out.Print("class $name$ {\n public:\n", "name", name);
  out.Indent();
  out.Print("virtual ~$name$();\n", "name", name);
  for (const Method& method : service.methods) {
    out.Print("\n");
    WriteLines(method.comment, out);
    WriteLines(Signature("virtual ::micro::Task<::absl::Status> " + method.name,
                         ShapeOf(method).handler, ";", kWidthInClass),
               out);
  }
  out.Outdent();
  out.Print("};\n\n");

  out.Print("// Has `server` serve $service$ with `handler`. Before the server starts.\n",
            "service", service.name);
  WriteLines(Signature("void " + service.names.register_function,
                       {{"::micro::Server&", "server"},
                        {"::std::shared_ptr<" + name + ">", "handler"},
                        {"::micro::HandlerOptions", "options = {}"}},
                       ";"),
             out);
}

void WriteClient(const Service& service, Printer& out) {
  const std::string& name = service.names.client;
  WriteComment(
      service.comment,
      "// Calls " + service.name +
          " on the service that is registered as `name`. Any thread; cheap to copy; a call\n"
          "// outlives the object it was made with.\n",
      out);
  out.Print("class $deprecated$$name$ {\n public:\n", "deprecated",
            service.deprecated ? "[[deprecated]] " : "", "name", name);
  out.Indent();
  WriteLines(
      Signature(name, {{"::std::string", "name"}, {"::std::shared_ptr<::micro::Client>", "client"}},
                ";", kWidthInClass),
      out);
  for (const Method& method : service.methods) {
    const Shape shape = ShapeOf(method);
    std::vector<Parameter> parameters = shape.client;
    parameters.push_back({"::micro::CallOptions", "options = {}"});
    out.Print("\n");
    WriteLines(method.comment, out);
    if (method.deprecated) out.Print("[[deprecated]]\n");
    WriteLines(
        Signature("::micro::Task<::absl::StatusOr<" + shape.client_result + ">> " + method.name,
                  parameters, " const;", kWidthInClass),
        out);
  }
  out.Outdent();
  out.Print("\n private:\n  ::std::shared_ptr<const ::micro::generated::Callee> callee_;\n};\n");
}

}  // namespace

void WriteHeader(const File& file, const std::string& include_prefix, Printer& out) {
  WriteBanner(file, out);
  out.Print("#pragma once\n\n");
  if (file.services.empty()) {
    out.Print("#include \"$prefix$$stem$.pb.h\"\n", "prefix", include_prefix, "stem", file.stem);
    return;
  }
  out.Print(
      "#include <memory>\n"
      "#include <string>\n"
      "\n"
      "#include \"absl/status/status.h\"\n"
      "#include \"absl/status/statusor.h\"\n"
      "#include \"core/context.h\"\n"
      "#include \"core/task.h\"\n"
      "#include \"micro/client.h\"\n"
      "#include \"micro/handler.h\"\n"
      "#include \"micro/request.h\"\n"
      "#include \"micro/stream.h\"\n"
      "\n"
      "#include \"$prefix$$stem$.pb.h\"\n"
      "\n"
      "namespace micro {\n"
      "class Server;\n"
      "namespace generated {\n"
      "struct Callee;\n"
      "}\n"
      "}  // namespace micro\n"
      "\n",
      "prefix", include_prefix, "stem", file.stem);
  OpenNamespace(file, out);
  for (size_t i = 0; i < file.services.size(); ++i) {
    if (i > 0) out.Print("\n");
    WriteMethodNames(file.services[i], out);
    WriteHandler(file.services[i], out);
    out.Print("\n");
    WriteClient(file.services[i], out);
  }
  CloseNamespace(file, out);
}

}  // namespace micro::generator
