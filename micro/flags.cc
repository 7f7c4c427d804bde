#include "micro/flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>

#include "core/log.h"
#include "core/plugin_table.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "micro/service.h"
#include "micro/wire.h"
#include "selector/selector.h"

namespace micro {
namespace {

// One setting: how it is called, and what reads its text.
struct Setting {
  std::string name;
  std::string environment;
  std::string help;
  std::function<absl::Status(std::string_view)> read;  // INVALID_ARGUMENT says what is expected
  bool is_bool = false;
};

absl::Status Expected(std::string_view what) { return absl::InvalidArgumentError(ToAbsl(what)); }

template <class Number>
absl::Status ReadNumber(std::string_view text, Number minimum, Number* number) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return Expected("a number");
  if (value < minimum) return Expected(fmt::format("a number of at least {}", minimum));
  *number = value;
  return absl::OkStatus();
}

// 0 to 1.
absl::Status ReadShare(std::string_view text, double* share) {
  double value = 0;
  if (!ReadNumber<double>(text, 0, &value).ok() || !(value >= 0 && value <= 1))
    return Expected("a number from 0 to 1");
  *share = value;
  return absl::OkStatus();
}

absl::Status ReadDuration(std::string_view text, absl::Duration* duration) {
  absl::Duration value;
  if (!absl::ParseDuration(ToAbsl(text), &value) || value < absl::ZeroDuration()) {
    return Expected("a duration such as 300ms, 5s or 1m30s");
  }
  *duration = value;
  return absl::OkStatus();
}

// Seconds as a plain number, as go-micro has it, or a duration.
absl::Status ReadSeconds(std::string_view text, absl::Duration* duration) {
  int64_t seconds = 0;
  if (ReadNumber<int64_t>(text, 0, &seconds).ok()) {
    *duration = absl::Seconds(seconds);
    return absl::OkStatus();
  }
  if (ReadDuration(text, duration).ok()) return absl::OkStatus();
  return Expected("a number of seconds, or a duration such as 90s");
}

absl::Status ReadBool(std::string_view text, bool* value) {
  for (const std::string_view word : {"true", "1", "yes", "on"}) {
    if (EqualsIgnoreCase(text, word)) return *value = true, absl::OkStatus();
  }
  for (const std::string_view word : {"false", "0", "no", "off"}) {
    if (EqualsIgnoreCase(text, word)) return *value = false, absl::OkStatus();
  }
  return Expected("true or false");
}

auto Text(std::string* target) {
  return [target](std::string_view text) { return target->assign(text), absl::OkStatus(); };
}
auto List(std::vector<std::string>* target) {
  return [target](std::string_view text) { return *target = SplitList(text), absl::OkStatus(); };
}
auto DurationOf(absl::Duration* target) {
  return [target](std::string_view text) { return ReadDuration(text, target); };
}
auto SecondsOf(absl::Duration* target) {
  return [target](std::string_view text) { return ReadSeconds(text, target); };
}
auto AtLeast(int minimum, int* target) {
  return [=](std::string_view text) { return ReadNumber<int>(text, minimum, target); };
}

// A plugin's name: refused here and now when it is not linked, so that the message names the flag.
template <class Interface>
auto Plugin(std::string* target) {
  return [target](std::string_view text) -> absl::Status {
    const std::vector<std::string> names = PluginTable<Interface>::Names();
    if (std::find(names.begin(), names.end(), text) == names.end()) {
      return absl::NotFoundError(fmt::format("{} \"{}\" is not linked; linked: {}",
                                             Interface::kPluginKind, text, fmt::join(names, ", ")));
    }
    return target->assign(text), absl::OkStatus();
  };
}

template <class Interface>
std::string PluginHelp(std::string_view what, std::string_view chosen) {
  return fmt::format("{}: {} [{}]", what, fmt::join(PluginTable<Interface>::Names(), ", "), chosen);
}

absl::Status ReadLabels(std::string_view text, registry::Labels* labels) {
  registry::Labels read;
  for (const std::string& pair : SplitList(text)) {
    const size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) return Expected("a comma list of key=value");
    read[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  *labels = std::move(read);
  return absl::OkStatus();
}

absl::Status ReadRetry(std::string_view text, RetryFunc* retry) {
  if (text == "timeout") {
    *retry = RetryOnError;
  } else if (text == "unsent") {
    *retry = RetryOnErrorOrUnsent;
  } else if (text == "always") {
    *retry = RetryAlways;
  } else {
    return Expected("timeout, unsent or always");
  }
  return absl::OkStatus();
}

// Every service's settings, with go-micro's names.
std::vector<Setting> ServiceSettings(ServiceOptions& o, std::string& log_level,
                                     std::string& log_format) {
  const auto seconds = [](absl::Duration d) { return absl::FormatDuration(d); };
  const auto or_none = [](const std::string& text) {
    return text.empty() ? std::string("none") : text;
  };
  const std::string server_wire = o.server.wire.empty() ? "grpc" : o.server.wire;
  const std::string client_wire = o.client.wire.empty() ? "grpc" : o.client.wire;
  return {
      {"server", "MICRO_SERVER", PluginHelp<ServerWire>("wire that is served", server_wire),
       Plugin<ServerWire>(&o.server.wire)},
      {"server_name", "MICRO_SERVER_NAME", fmt::format("name of the service [{}]", o.name),
       Text(&o.name)},
      {"server_version", "MICRO_SERVER_VERSION",
       fmt::format("version of the service [{}]", o.version), Text(&o.version)},
      {"server_id", "MICRO_SERVER_ID", "id of this process, part of the node's id [random]",
       Text(&o.server.id)},
      {"server_address", "MICRO_SERVER_ADDRESS",
       fmt::format("host:port, :port or host:min-max to listen on [{}]", o.server.address),
       Text(&o.server.address)},
      {"server_advertise", "MICRO_SERVER_ADVERTISE", "host:port to register instead of the address",
       Text(&o.server.advertise)},
      {"server_metadata", "MICRO_SERVER_METADATA", "key=value,… of the node",
       [&](std::string_view text) { return ReadLabels(text, &o.server.metadata); }},
      {"server_deregister_timeout", "MICRO_SERVER_DEREGISTER_TIMEOUT",
       fmt::format("how long a stop waits for the registry to forget the node [{}]",
                   seconds(o.server.deregister_timeout)),
       DurationOf(&o.server.deregister_timeout)},
      {"server_stop_delay", "MICRO_SERVER_STOP_DELAY",
       fmt::format(
           "how long a stop serves on while callers hear that the node is gone [{}]",
           o.server.stop_delay.has_value() ? seconds(*o.server.stop_delay) : "500ms, on memory 0"),
       [&](std::string_view text) { return ReadDuration(text, &o.server.stop_delay.emplace()); }},
      {"server_grace", "MICRO_SERVER_GRACE",
       fmt::format("how long a stop waits for running calls [{}]", seconds(o.server.grace)),
       DurationOf(&o.server.grace)},
      {"server_cancel_timeout", "MICRO_SERVER_CANCEL_TIMEOUT",
       fmt::format("how long it waits for the ends of calls that it cancelled [{}]",
                   seconds(o.server.cancel_timeout)),
       DurationOf(&o.server.cancel_timeout)},
      {"server_debug", "MICRO_SERVER_DEBUG",
       "serve Debug.Health, Stats, Log, Trace and Nodes to whoever may call [false]",
       [&](std::string_view text) { return ReadBool(text, &o.debug); }, true},
      {"server_tls_cert", "MICRO_SERVER_TLS_CERT", "PEM file: certificate chain; turns TLS on",
       Text(&o.server.tls_cert)},
      {"server_tls_key", "MICRO_SERVER_TLS_KEY", "PEM file: private key", Text(&o.server.tls_key)},
      {"server_tls_ca", "MICRO_SERVER_TLS_CA",
       "PEM file: callers must bear a certificate of this authority", Text(&o.server.tls_ca)},
      {"server_max_message_size", "MICRO_SERVER_MAX_MESSAGE_SIZE",
       fmt::format("largest message taken, in bytes [{}]", o.server.max_recv_message_size),
       AtLeast(1, &o.server.max_recv_message_size)},
      {"register_ttl", "MICRO_REGISTER_TTL",
       fmt::format("seconds that a registration outlives its last refresh [{}]",
                   seconds(o.server.register_ttl)),
       SecondsOf(&o.server.register_ttl)},
      {"register_interval", "MICRO_REGISTER_INTERVAL",
       fmt::format("seconds between refreshes [{}]", seconds(o.server.register_interval)),
       SecondsOf(&o.server.register_interval)},
      {"client", "MICRO_CLIENT",
       PluginHelp<ClientWire>("wire for nodes that do not name theirs", client_wire),
       Plugin<ClientWire>(&o.client.wire)},
      {"client_request_timeout", "MICRO_CLIENT_REQUEST_TIMEOUT",
       fmt::format("of a call with all its attempts [{}]", seconds(o.client.request_timeout)),
       DurationOf(&o.client.request_timeout)},
      {"client_connection_timeout", "MICRO_CLIENT_CONNECTION_TIMEOUT",
       "of one attempt [none on grpc, 5s on rpc]",
       [&](std::string_view text) {
         return ReadDuration(text, &o.client.connection_timeout.emplace());
       }},
      {"client_retries", "MICRO_CLIENT_RETRIES",
       fmt::format("attempts after the first [{}]", o.client.retries),
       AtLeast(0, &o.client.retries)},
      {"client_retry", "MICRO_CLIENT_RETRY",
       "which failures are tried again: timeout (408, as go-micro), unsent (and what certainly "
       "reached no handler), always [unsent]",
       [&](std::string_view text) { return ReadRetry(text, &o.client.retry); }},
      {"client_retry_budget", "MICRO_CLIENT_RETRY_BUDGET",
       fmt::format(
           "share of a service's calls that retries and hedges may add, 0 to 1 (1: no bound) "
           "[{}]",
           o.client.retry_budget),
       [&](std::string_view text) { return ReadShare(text, &o.client.retry_budget); }},
      {"client_hedge_after", "MICRO_CLIENT_HEDGE_AFTER",
       fmt::format("a call without an answer after this also goes to another node [{}]",
                   o.client.hedge_after.has_value() ? seconds(*o.client.hedge_after) : "never"),
       [&](std::string_view text) { return ReadDuration(text, &o.client.hedge_after.emplace()); }},
      {"client_max_hedges", "MICRO_CLIENT_MAX_HEDGES",
       fmt::format("to how many other nodes [{}]", o.client.max_hedges),
       AtLeast(0, &o.client.max_hedges)},
      {"client_pool_size", "MICRO_CLIENT_POOL_SIZE",
       "connections per node: all of them on grpc, idle ones on rpc [1 on grpc, 100 on rpc]",
       AtLeast(1, &o.client.pool_size)},
      {"client_pool_ttl", "MICRO_CLIENT_POOL_TTL",
       fmt::format("a connection is closed when it was unused (grpc) or open (rpc) for this [{}]",
                   seconds(o.client.pool_ttl)),
       DurationOf(&o.client.pool_ttl)},
      {"client_warm_up", "MICRO_CLIENT_WARM_UP",
       fmt::format("connect to nodes as they are discovered, before a call needs it [{}]",
                   o.client.warm_up),
       [&](std::string_view text) { return ReadBool(text, &o.client.warm_up); }, true},
      {"client_content_type", "MICRO_CLIENT_CONTENT_TYPE",
       fmt::format("codec of requests, as a content type [{}]",
                   o.client.content_type.empty() ? "the wire's own" : o.client.content_type),
       Text(&o.client.content_type)},
      {"client_tls", "MICRO_CLIENT_TLS", "call nodes over TLS, trusting the system's authorities",
       [&](std::string_view text) { return ReadBool(text, &o.client.tls); }, true},
      {"client_tls_ca", "MICRO_CLIENT_TLS_CA", "PEM file: the authority to trust; turns TLS on",
       Text(&o.client.tls_ca)},
      {"client_tls_cert", "MICRO_CLIENT_TLS_CERT", "PEM file: the client's own certificate chain",
       Text(&o.client.tls_cert)},
      {"client_tls_key", "MICRO_CLIENT_TLS_KEY", "PEM file: its private key",
       Text(&o.client.tls_key)},
      {"client_tls_server_name", "MICRO_CLIENT_TLS_SERVER_NAME",
       "name that the server's certificate must bear", Text(&o.client.tls_server_name)},
      {"registry", "MICRO_REGISTRY",
       PluginHelp<registry::Registry>("where services are found", o.registry),
       Plugin<registry::Registry>(&o.registry)},
      {"registry_address", "MICRO_REGISTRY_ADDRESS",
       fmt::format("its addresses, comma list (mdns: interfaces) [{}]",
                   or_none(fmt::format("{}", fmt::join(o.registry_options.addresses, ",")))),
       List(&o.registry_options.addresses)},
      {"registry_timeout", "MICRO_REGISTRY_TIMEOUT", "of one request to it [its own]",
       DurationOf(&o.registry_options.timeout)},
      {"registry_username", "MICRO_REGISTRY_USERNAME", "who asks (etcd, nats)",
       Text(&o.registry_options.username)},
      {"registry_password", "MICRO_REGISTRY_PASSWORD", "that goes with the username",
       Text(&o.registry_options.password)},
      {"registry_token", "MICRO_REGISTRY_TOKEN", "token that opens it (consul: of its ACL; nats)",
       Text(&o.registry_options.token)},
      {"registry_tls", "MICRO_REGISTRY_TLS",
       "ask it over TLS, trusting the system's authorities (consul, etcd, nats)",
       [&](std::string_view text) { return ReadBool(text, &o.registry_options.tls); }, true},
      {"registry_tls_ca", "MICRO_REGISTRY_TLS_CA", "PEM file: the authority to trust; turns TLS on",
       Text(&o.registry_options.tls_ca)},
      {"registry_tls_cert", "MICRO_REGISTRY_TLS_CERT", "PEM file: our own certificate chain",
       Text(&o.registry_options.tls_cert)},
      {"registry_tls_key", "MICRO_REGISTRY_TLS_KEY", "PEM file: its private key",
       Text(&o.registry_options.tls_key)},
      {"registry_tls_server_name", "MICRO_REGISTRY_TLS_SERVER_NAME",
       "name that the registry's certificate must bear", Text(&o.registry_options.tls_server_name)},
      {"registry_datacenter", "MICRO_REGISTRY_DATACENTER", "consul: the data centre [the agent's]",
       Text(&o.registry_options.datacenter)},
      {"registry_prefix", "MICRO_REGISTRY_PREFIX",
       "keeps a system's services apart: before each name (consul), or in place of "
       "/micro/registry/ (etcd), micro.nats (nats)",
       Text(&o.registry_options.prefix)},
      {"selector", "MICRO_SELECTOR",
       PluginHelp<selector::Strategy>("how a node is chosen", o.selector),
       Plugin<selector::Strategy>(&o.selector)},
      {"selector_hash_key", "MICRO_SELECTOR_HASH_KEY",
       "hash: the metadata key whose value decides the node [Micro-Hash-Key]",
       Text(&o.selector_hash_key)},
      {"selector_locality", "MICRO_SELECTOR_LOCALITY",
       "where this process is, as eu/a: nodes whose metadata `locality` is nearest come first",
       Text(&o.selector_options.locality)},
      {"selector_ejection", "MICRO_SELECTOR_EJECTION",
       "leave out nodes that fail where others do not [true]",
       [&](std::string_view text) { return ReadBool(text, &o.selector_options.ejection.enabled); },
       true},
      {"traffic_rules", "MICRO_TRAFFIC_RULES",
       "file of rules that say which versions calls go to; followed while it changes",
       Text(&o.traffic_rules)},
      {"broker", "MICRO_BROKER",
       PluginHelp<broker::Broker>("what carries topics", o.broker.empty() ? "memory" : o.broker),
       Plugin<broker::Broker>(&o.broker)},
      {"broker_address", "MICRO_BROKER_ADDRESS",
       fmt::format("its addresses, comma list [{}]",
                   or_none(fmt::format("{}", fmt::join(o.broker_options.addresses, ",")))),
       List(&o.broker_options.addresses)},
      {"log_level", "MICRO_LOG_LEVEL", "trace, debug, info, warn, error, off [info]",
       Text(&log_level)},
      {"log_format", "MICRO_LOG_FORMAT", "text, json [text]", Text(&log_format)},
  };
}

Setting SettingOf(const Flag& flag) {
  const auto read = [target = flag.target](std::string_view text) -> absl::Status {
    struct Reader {
      std::string_view text;
      absl::Status operator()(std::string* value) { return Text(value)(text); }
      absl::Status operator()(std::vector<std::string>* value) { return List(value)(text); }
      absl::Status operator()(int* value) { return ReadNumber<int>(text, INT32_MIN, value); }
      absl::Status operator()(int64_t* value) {
        return ReadNumber<int64_t>(text, INT64_MIN, value);
      }
      absl::Status operator()(double* value) { return ReadNumber<double>(text, -1e308, value); }
      absl::Status operator()(bool* value) { return ReadBool(text, value); }
      absl::Status operator()(absl::Duration* value) { return ReadDuration(text, value); }
    };
    return std::visit(Reader{text}, target);
  };
  return {flag.name, flag.environment, flag.help, read, std::holds_alternative<bool*>(flag.target)};
}

absl::Status Apply(const Setting& setting, std::string_view text, std::string_view source) {
  const absl::Status status = setting.read(text);
  if (status.ok()) return status;
  if (absl::IsNotFound(status)) {  // a plugin's own words
    return absl::InvalidArgumentError(
        fmt::format("{} ({})", std::string(status.message()), source));
  }
  return absl::InvalidArgumentError(
      fmt::format("{}: \"{}\" is not {}", source, text, std::string(status.message())));
}

// One argument as CLI11 takes it. Known names may have one dash, as in Go; a bool that is said alone
// is true.
std::string Spelled(const std::string& argument, const std::vector<Setting>& settings) {
  const size_t dashes = argument.find_first_not_of('-');
  if (dashes != 1 && dashes != 2) return argument;
  const size_t equals = argument.find('=');
  const std::string name = argument.substr(dashes, equals - dashes);
  if (name == "help") return "--help";
  const auto setting = std::find_if(settings.begin(), settings.end(),
                                    [&](const Setting& setting) { return setting.name == name; });
  if (setting == settings.end()) return argument;
  if (equals != std::string::npos) return "--" + name + argument.substr(equals);
  return "--" + name + (setting->is_bool ? "=true" : "");
}

// The arguments as CLI11 takes them: from the last to the first, and --name= as two, or it would
// take the next one for the value.
std::vector<std::string> ForCli11(const std::vector<std::string>& arguments,
                                  const std::vector<Setting>& settings) {
  std::vector<std::string> taken;
  for (auto said = arguments.rbegin(); said != arguments.rend(); ++said) {
    std::string argument = Spelled(*said, settings);
    if (argument.starts_with("--") && argument.find('=') + 1 == argument.size()) {
      taken.emplace_back();
      argument.pop_back();
    }
    taken.push_back(std::move(argument));
  }
  return taken;
}

}  // namespace

absl::StatusOr<ParsedFlags> ParseFlags(const std::string& program,
                                       std::vector<std::string> arguments,
                                       ServiceOptions& options) {
  std::string log_level, log_format;
  std::vector<Setting> settings;
  for (const Flag& flag : options.flags) settings.push_back(SettingOf(flag));
  for (Setting& setting : ServiceSettings(options, log_level, log_format))
    settings.push_back(std::move(setting));

  CLI::App app(options.description, program);
  app.set_help_flag("-h,--help", "prints this");
  std::map<std::string, std::string> given;
  ParsedFlags parsed;
  std::vector<std::string> after_flags;  // behind "--"
  try {
    for (const Setting& setting : settings) {
      std::string help = setting.help;
      if (!setting.environment.empty()) help += fmt::format(" (${})", setting.environment);
      const auto remember = [&given, name = setting.name](const std::string& text) {
        given[name] = text;
      };
      app.add_option_function<std::string>("--" + setting.name, remember, help)
          ->take_last()
          ->type_name(setting.is_bool ? "" : "VALUE");
    }
    app.allow_extras();
    const auto end = std::find(arguments.begin(), arguments.end(), "--");
    app.parse(ForCli11({arguments.begin(), end}, settings));
    parsed.rest = app.remaining();
    after_flags.assign(end == arguments.end() ? end : end + 1, arguments.end());
  } catch (const CLI::CallForHelp&) {
    parsed.help = app.help();
    return parsed;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(fmt::format("{} (--help lists all flags)", error.what()));
  } catch (const CLI::Error& error) {
    return absl::InvalidArgumentError(fmt::format("a flag cannot be declared: {}", error.what()));
  }
  for (const std::string& argument : parsed.rest) {
    if (argument.starts_with("-") && argument.size() > 1) {
      return absl::InvalidArgumentError(
          fmt::format("unknown flag {} (--help lists all flags)", argument));
    }
  }
  parsed.rest.insert(parsed.rest.end(), after_flags.begin(), after_flags.end());
  for (const Setting& setting : settings) {
    const auto text = given.find(setting.name);
    if (text != given.end()) {
      RETURN_IF_ERROR(Apply(setting, text->second, fmt::format("flag --{}", setting.name)));
    } else if (const char* value =
                   setting.environment.empty() ? nullptr : std::getenv(setting.environment.c_str());
               value != nullptr && *value != '\0') {
      RETURN_IF_ERROR(Apply(setting, value, setting.environment));
    }
  }
  RETURN_IF_ERROR(log::Configure(log_level, log_format));
  return parsed;
}

}  // namespace micro
