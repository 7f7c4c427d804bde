// Consul as its own HTTP interface shows it, for tests: without any of the code under test.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "registry/registry.h"
#include "tests/services/probe.h"
#include "tests/services/service_process.h"

namespace micro::registry::consul {

// The whole answer to one request.
inline std::string RawRequest(const services::ServiceProcess& agent, std::string_view method,
                              std::string_view path, std::string_view body = "") {
  return services::Probe(agent.port(),
                         fmt::format("{} {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                                     "Content-Length: {}\r\n\r\n{}",
                                     method, path, body.size(), body));
}

// The JSON of an answer that is small enough to come in one piece.
inline nlohmann::json RawGet(const services::ServiceProcess& agent, std::string_view path) {
  const std::string answer = RawRequest(agent, "GET", path);
  const size_t begin = answer.find_first_of("[{", answer.find("\r\n\r\n"));
  const size_t end = answer.find_last_of("]}");
  if (begin == std::string::npos || end == std::string::npos) return nullptr;
  return nlohmann::json::parse(answer.substr(begin, end + 1 - begin), nullptr, false);
}

// Registers an instance as another program would; whether the agent took it.
inline bool RawRegister(const services::ServiceProcess& agent, const std::string& name,
                        const std::string& id, const std::vector<std::string>& tags) {
  const nlohmann::json json = {
      {"ID", id}, {"Name", name}, {"Tags", tags}, {"Address", "10.0.0.1"}, {"Port", 8080}};
  return RawRequest(agent, "PUT", "/v1/agent/service/register", json.dump())
      .starts_with("HTTP/1.1 200");
}

inline bool RawDeregister(const services::ServiceProcess& agent, const std::string& id) {
  return RawRequest(agent, "PUT", "/v1/agent/service/deregister/" + id).starts_with("HTTP/1.1 200");
}

// Whether the agent itself has a node of this id.
inline bool RawHas(const services::ServiceProcess& agent, const std::string& id) {
  return RawRequest(agent, "GET", "/v1/agent/service/" + id).starts_with("HTTP/1.1 200");
}

// A record with one node.
inline Service Record(const std::string& name, const std::string& id = "",
                      const std::string& version = "1.0.0") {
  return {.name = name,
          .version = version,
          .nodes = {{id.empty() ? name + "-1" : id, "10.0.0.1:8080", {{"protocol", "grpc"}}}}};
}

}  // namespace micro::registry::consul
