#include "cmd/protoc-gen-micro-cpp/comments.h"

#include <sstream>

namespace micro::generator {

namespace {

// A backslash at a line's end would draw the next line of C++ into the comment.
std::string CommentLine(std::string line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r'))
    line.pop_back();
  if (line.ends_with('\\')) line += " .";
  const bool needs_space = !line.empty() && !line.starts_with(' ');
  return "//" + std::string(needs_space ? " " : "") + line + "\n";
}

std::string CommentLines(const std::string& text) {
  std::string lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines += CommentLine(line);
  while (lines.ends_with("\n//\n")) lines.resize(lines.size() - 3);
  return lines == "//\n" ? "" : lines;
}

template <class Descriptor>
std::string CommentAt(const Descriptor& descriptor) {
  google::protobuf::SourceLocation location;
  if (!descriptor.GetSourceLocation(&location)) return "";
  return CommentLines(location.leading_comments) + CommentLines(location.trailing_comments);
}

}  // namespace

std::string CommentOf(const google::protobuf::ServiceDescriptor& service) {
  return CommentAt(service);
}
std::string CommentOf(const google::protobuf::MethodDescriptor& method) {
  return CommentAt(method);
}

}  // namespace micro::generator
