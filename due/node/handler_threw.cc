#include "due/node/handler_threw.h"

#include <exception>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/log.h"

namespace due {

absl::Status HandlerThrew() {
  std::string what = "an object that is no std::exception";
  try {
    throw;
  } catch (const std::exception& exception) {
    what = exception.what();
  } catch (...) {
  }
  micro::log::Error("a handler threw", {{"what", what}});
  return absl::InternalError(absl::StrCat("a handler threw: ", what));
}

}  // namespace due
