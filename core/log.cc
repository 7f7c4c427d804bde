#include "core/log.h"

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "core/errors.h"
#include "core/log_records.h"
#include "core/strings.h"
#include "core/text.h"

namespace micro::log {
namespace {

constexpr std::array<std::string_view, 6> kLevels = {"trace", "debug", "info",
                                                     "warn",  "error", "off"};

int LevelOf(std::string_view word) {
  for (size_t i = 0; i < kLevels.size(); ++i) {
    if (EqualsIgnoreCase(kLevels[i], word)) return static_cast<int>(i);
  }
  return -1;
}

struct Settings {
  std::atomic<int> level = static_cast<int>(Level::kInfo);
  std::atomic<Format> format = Format::kText;
  std::shared_ptr<spdlog::logger> sink =
      std::make_shared<spdlog::logger>("micro", std::make_shared<spdlog::sinks::stderr_sink_mt>());

  Settings() {
    sink->set_pattern("%v");
    sink->set_level(spdlog::level::trace);
    if (const char* word = std::getenv("MICRO_LOG_LEVEL")) {
      if (const int wanted = LevelOf(word); wanted >= 0) level = wanted;
    }
  }
};

Settings& Current() {
  static Settings& settings = *new Settings;
  return settings;
}

std::string Quoted(std::string_view text) {
  const nlohmann::json json = std::string(text);
  return OneLine(json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

// A text value stands bare in the text format unless it would be misread.
bool StandsBare(std::string_view text) {
  if (text.empty()) return false;
  for (const char c : text) {
    if (!absl::ascii_isgraph(c) || c == '"' || c == '=') return false;
  }
  return true;
}

}  // namespace

Field::Field(std::string_view key, const absl::Status& status) : key_(key), text_(true) {
  value_ = errors::HasError(status) ? errors::ToText(status)
                                    : status.ToString(absl::StatusToStringMode::kWithNoExtraData);
}

Field::Field(std::string_view key, absl::Duration duration)
    : key_(key), value_(absl::FormatDuration(duration)), text_(true) {}

// NaN and the infinities are no JSON numbers: they stand as text.
Field::Field(std::string_view key, double value)
    : key_(key), value_(fmt::format("{}", value)), text_(!std::isfinite(value)) {}

absl::Status Configure(std::string_view level, std::string_view format) {
  const int wanted_level = level.empty() ? Current().level.load() : LevelOf(level);
  if (wanted_level < 0) {
    return absl::InvalidArgumentError(
        fmt::format("log level \"{}\" is none of trace, debug, info, warn, error, off (flag "
                    "--log_level, MICRO_LOG_LEVEL)",
                    level));
  }
  Format wanted_format = Current().format;
  if (format == "text") {
    wanted_format = Format::kText;
  } else if (format == "json") {
    wanted_format = Format::kJson;
  } else if (!format.empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "log format \"{}\" is neither text nor json (flag --log_format, MICRO_LOG_FORMAT)",
        format));
  }
  Current().level = wanted_level;
  Current().format = wanted_format;
  return absl::OkStatus();
}

bool Enabled(Level level) {
  return static_cast<int>(level) >= Current().level.load(std::memory_order_relaxed);
}

void Write(Level level, std::string_view message, Fields fields) {
  if (!Enabled(level)) return;
  const absl::Time now = absl::Now();
  const std::string line = Line(Current().format, now, level, message, fields);
  Current().sink->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  if (internal::KeepsRecords())
    internal::Keep(now, kLevels[static_cast<size_t>(level)], message, fields);
}

std::string Line(Format format, absl::Time time, Level level, std::string_view message,
                 Fields fields) {
  const std::string when = absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", time, absl::UTCTimeZone());
  const std::string_view name = kLevels[static_cast<size_t>(level)];
  if (format == Format::kJson) {
    std::string line =
        fmt::format(R"({{"time":"{}","level":"{}","message":{})", when, name, Quoted(message));
    for (const Field& field : fields) {
      line += fmt::format(",{}:{}", Quoted(field.key()),
                          field.is_text() ? Quoted(field.value()) : field.value());
    }
    return line + "}";
  }
  std::string line =
      fmt::format("{} {} {}", when, absl::AsciiStrToUpper(ToAbsl(name)), OneLine(message));
  for (const Field& field : fields) {
    const bool bare = !field.is_text() || StandsBare(field.value());
    line += fmt::format(" {}={}", OneLine(field.key()),
                        bare ? std::string(field.value()) : Quoted(field.value()));
  }
  return line;
}

}  // namespace micro::log
