// The log: a level, a message that never varies, and fields that do.
//
//   log::Info("registered", {{"service", name}, {"address", address}});
//   →  2026-11-21T07:50:41.123456Z INFO registered service=helloworld address=127.0.0.1:40123
//   →  {"time":"2026-11-21T07:50:41.123456Z","level":"info","message":"registered","service":"helloworld",…}    (--log_format=json)
//
// Goes to standard error, one line an entry: a control character in any part of it is written as an
// escape. The level comes from Configure (flag --log_level) or, before that, from MICRO_LOG_LEVEL;
// it is info by default. All functions may be called from any thread.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace micro::log {

enum class Level { kTrace, kDebug, kInfo, kWarn, kError, kOff };
enum class Format { kText, kJson };

// One field: a name and a text, number, truth value, status or duration.
class Field {
 public:
  Field(std::string_view key, std::string_view value) : key_(key), value_(value), text_(true) {}
  Field(std::string_view key, const char* value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, const std::string& value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, const absl::Status& status);
  Field(std::string_view key, absl::Duration duration);
  Field(std::string_view key, double value);
  template <class Number>
    requires std::is_integral_v<Number>
  Field(std::string_view key, Number value) : key_(key), text_(false) {
    if constexpr (std::is_same_v<Number, bool>) {
      value_ = value ? "true" : "false";
    } else {
      value_ = std::to_string(value);
    }
  }

  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }
  bool is_text() const { return text_; }

 private:
  std::string_view key_;
  std::string value_;
  bool text_;
};

using Fields = std::initializer_list<Field>;

// Sets level ("trace", "debug", "info", "warn", "error", "off") and format ("text", "json"); an
// empty text changes nothing. INVALID_ARGUMENT, and no change, for any other word: the message
// lists the words.
absl::Status Configure(std::string_view level, std::string_view format);

// Whether a line of this level is written: asked before costly fields are made.
bool Enabled(Level level);

void Write(Level level, std::string_view message, Fields fields = {});

inline void Trace(std::string_view message, Fields fields = {}) {
  Write(Level::kTrace, message, fields);
}
inline void Debug(std::string_view message, Fields fields = {}) {
  Write(Level::kDebug, message, fields);
}
inline void Info(std::string_view message, Fields fields = {}) {
  Write(Level::kInfo, message, fields);
}
inline void Warn(std::string_view message, Fields fields = {}) {
  Write(Level::kWarn, message, fields);
}
inline void Error(std::string_view message, Fields fields = {}) {
  Write(Level::kError, message, fields);
}

// The line that Write writes, without its end; for tests and other sinks.
std::string Line(Format format, absl::Time time, Level level, std::string_view message,
                 Fields fields);

}  // namespace micro::log
