#include "registry/mdns/mdns_record.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>

#include "core/status_macros.h"
#include "registry/mdns/txt_record.h"
#include "registry/record_json.h"

namespace micro::registry {
namespace {

constexpr std::string_view kDomain = "micro.";
constexpr uint16_t kListPort = 9999;
constexpr size_t kMaxInstances = 16;  // that are read from one packet; go-micro writes one

// The address and port of a node; only IP addresses can be announced.
struct IpAndPort {
  std::variant<dns::A, dns::Aaaa> address;
  uint16_t port = 0;
};

absl::StatusOr<IpAndPort> ParseAddress(std::string_view text) {
  IpAndPort parsed;
  const size_t colon = text.rfind(':');
  std::string host(text.substr(0, colon));
  const std::string_view port = colon == text.npos ? "" : text.substr(colon + 1);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
  if (error != std::errc() || end != port.data() + port.size() || parsed.port == 0) {
    return absl::InvalidArgumentError(
        fmt::format("address \"{}\" has no port from 1 to 65535", text));
  }
  dns::A a;
  dns::Aaaa aaaa;
  if (inet_pton(AF_INET, host.c_str(), a.address.data()) == 1) {
    parsed.address = a;
  } else if (inet_pton(AF_INET6, host.c_str(), aaaa.address.data()) == 1) {
    parsed.address = aaaa;
  } else {
    return absl::InvalidArgumentError(
        fmt::format("address \"{}\" is not an IP address: mDNS announces no host names", text));
  }
  return parsed;
}

std::string FormatAddress(const dns::Record& record, uint16_t port) {
  char text[INET6_ADDRSTRLEN] = "";
  if (const auto* a = std::get_if<dns::A>(&record.data)) {
    return fmt::format("{}:{}", inet_ntop(AF_INET, a->address.data(), text, sizeof(text)), port);
  }
  const auto& aaaa = std::get<dns::Aaaa>(record.data);
  return fmt::format("[{}]:{}", inet_ntop(AF_INET6, aaaa.address.data(), text, sizeof(text)), port);
}

bool EndsWith(std::string_view text, std::string_view suffix) {
  return text.size() > suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

// What one response says of one instance.
struct Parts {
  const dns::Record* srv = nullptr;
  const dns::Record* txt = nullptr;
  const dns::Record* address = nullptr;
};

// Takes the address records for the instances on their host. The one that follows an instance's SRV
// record is its own: go-micro calls the host the same in all of them. IPv4 is preferred.
void TakeAddresses(const std::vector<const dns::Record*>& records,
                   std::map<std::string, Parts>& parts) {
  std::map<std::string, std::vector<Parts*>>
      waiting;  // by host: instances of the latest SRV records
  std::map<std::string, const dns::Record*> hosts;
  bool after_address = false;
  for (const dns::Record* record : records) {
    if (const auto* srv = std::get_if<dns::Srv>(&record->data)) {
      const auto known = parts.find(record->name);
      if (known == parts.end()) continue;
      std::vector<Parts*>& same_host = waiting[srv->target];
      if (after_address) same_host.clear();
      same_host.push_back(&known->second);
      after_address = false;
    } else if (std::holds_alternative<dns::A>(record->data) ||
               std::holds_alternative<dns::Aaaa>(record->data)) {
      hosts.try_emplace(record->name, record);
      after_address = true;
      for (Parts* each : waiting[record->name]) {
        if (each->address == nullptr || std::holds_alternative<dns::A>(record->data)) {
          each->address = record;
        }
      }
    }
  }
  for (auto& [name, each] : parts) {
    if (each.address != nullptr || each.srv == nullptr) continue;
    const auto host = hosts.find(std::get<dns::Srv>(each.srv->data).target);
    if (host != hosts.end()) each.address = host->second;
  }
}

// The instance that complete parts describe; nothing when it is not one of go-micro's.
std::optional<Instance> ReadInstance(const std::string& name, const Parts& parts) {
  absl::StatusOr<TxtRecord> txt = DecodeTxt(std::get<dns::Txt>(parts.txt->data).strings);
  const uint16_t port = std::get<dns::Srv>(parts.srv->data).port;
  if (!txt.ok() || txt->service.empty() || port == 0) return std::nullopt;
  const size_t bytes = txt->service.size() + txt->version.size() + MemoryOf(txt->metadata) +
                       MemoryOf(txt->endpoints);
  if (bytes > kMaxInstanceBytes) return std::nullopt;
  const std::string suffix = "." + ServiceName(txt->service);
  if (!EndsWith(name, suffix)) return std::nullopt;
  Node node{.id = name.substr(0, name.size() - suffix.size()),
            .address = FormatAddress(*parts.address, port),
            .metadata = std::move(txt->metadata)};
  return Instance{.name = name,
                  .ttl = parts.srv->ttl,
                  .service = {.name = std::move(txt->service),
                              .version = std::move(txt->version),
                              .endpoints = std::move(txt->endpoints),
                              .nodes = {std::move(node)}},
                  .bytes = bytes};
}

}  // namespace

std::string ServiceName(std::string_view service) { return fmt::format("{}.{}", service, kDomain); }

std::string InstanceName(std::string_view id, std::string_view service) {
  return fmt::format("{}.{}", id, ServiceName(service));
}

absl::StatusOr<std::vector<dns::Record>> InstanceRecords(const Instance& instance,
                                                         const std::string& host) {
  const Service& service = instance.service;
  const Node& node = service.nodes.front();
  ASSIGN_OR_RETURN(const IpAndPort to, ParseAddress(node.address));
  std::vector<dns::Record> records = {
      {instance.name, instance.ttl, dns::Srv{10, 1, to.port, host}},
      {host, instance.ttl, {}},
      {instance.name, instance.ttl,
       dns::Txt{EncodeTxt({node.metadata, service.name, service.version, service.endpoints})}}};
  std::visit([&](const auto& address) { records[1].data = address; }, to.address);
  const dns::Message largest{.questions = {{.name = ServiceName(service.name)}},
                             .answers = ServiceRecords(instance, records)};
  RETURN_IF_ERROR(dns::Pack(largest).status());
  return records;
}

std::vector<dns::Record> ServiceRecords(const Instance& instance,
                                        const std::vector<dns::Record>& instance_records) {
  std::vector<dns::Record> records = {
      {ServiceName(instance.service.name), instance.ttl, dns::Ptr{instance.name}}};
  records.insert(records.end(), instance_records.begin(), instance_records.end());
  return records;
}

std::vector<dns::Record> ListRecords(const std::string& service, const std::string& host) {
  const std::string name = fmt::format("{}.{}", service, kListName);
  return {{std::string(kListName), kDefaultTtl, dns::Ptr{name}},
          {name, kDefaultTtl, dns::Srv{10, 1, kListPort, host}},
          {host, kDefaultTtl, dns::A{}},
          {name, kDefaultTtl, dns::Txt{}}};
}

Announced ReadResponse(const dns::Message& response) {
  Announced announced;
  std::vector<const dns::Record*> records;
  for (const auto* section : {&response.answers, &response.additionals}) {
    for (const dns::Record& record : *section) records.push_back(&record);
  }
  const std::string list_suffix = fmt::format(".{}", kListName);
  std::set<std::string> pointed_to;
  std::map<std::string, Parts> parts;
  for (const dns::Record* record : records) {
    if (const auto* ptr = std::get_if<dns::Ptr>(&record->data)) {
      if (record->name == kListName && EndsWith(ptr->target, list_suffix) && record->ttl > 0) {
        announced.listed.push_back(ptr->target.substr(0, ptr->target.size() - list_suffix.size()));
      } else if (EndsWith(record->name, kDomain) && EndsWith(ptr->target, "." + record->name)) {
        parts.try_emplace(ptr->target);
      }
    } else if (std::holds_alternative<dns::Srv>(record->data)) {
      if (EndsWith(record->name, kDomain)) parts[record->name].srv = record;
    } else if (std::holds_alternative<dns::Txt>(record->data)) {
      if (EndsWith(record->name, kDomain)) parts[record->name].txt = record;
    }
  }
  TakeAddresses(records, parts);
  for (const auto& [name, each] : parts) {
    if (announced.instances.size() >= kMaxInstances) break;
    if (EndsWith(name, list_suffix)) continue;
    if (each.srv == nullptr || each.txt == nullptr || each.address == nullptr) {
      if (announced.incomplete.size() < kMaxInstances) announced.incomplete.push_back(name);
    } else if (std::optional<Instance> instance = ReadInstance(name, each)) {
      announced.instances.push_back(*std::move(instance));
    }
  }
  return announced;
}

}  // namespace micro::registry
