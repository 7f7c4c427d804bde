#include "selector/traffic_file.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <tuple>
#include <utility>

#include "core/async.h"
#include "core/executor.h"
#include "core/log.h"
#include "core/status_macros.h"

namespace micro::selector {
namespace {

// The file is looked at so often, and read once two looks have found the same: what writes it may
// not be done at the first.
constexpr absl::Duration kLook = absl::Milliseconds(200);

absl::StatusOr<TrafficRules> Read(const std::string& path) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (!in && text.empty() && errno != 0)
    return absl::NotFoundError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  return ParseTraffic(text, path);
}

}  // namespace

TrafficFile::Mark TrafficFile::MarkOf(const std::string& path) {
  struct stat found;
  if (stat(path.c_str(), &found) != 0) return {};
  return {.device = static_cast<int64_t>(found.st_dev),
          .inode = static_cast<int64_t>(found.st_ino),
          .size = static_cast<int64_t>(found.st_size),
          .changed_ns = int64_t{found.st_mtim.tv_sec} * 1'000'000'000 + found.st_mtim.tv_nsec};
}

TrafficFile::TrafficFile(std::string path, OnRules on_rules)
    : path_(std::move(path)), on_rules_(std::move(on_rules)) {}

absl::StatusOr<std::unique_ptr<TrafficFile>> TrafficFile::Open(std::string path, OnRules on_rules) {
  std::unique_ptr<TrafficFile> file(new TrafficFile(std::move(path), std::move(on_rules)));
  file->read_ = MarkOf(file->path_);
  ASSIGN_OR_RETURN(TrafficRules rules, Read(file->path_));
  file->on_rules_(std::make_shared<const TrafficRules>(std::move(rules)));
  Context ctx;
  std::tie(ctx, file->cancel_) = WithCancel(Context());
  Spawn(file->scope_, file->Follow(std::move(ctx)));
  return file;
}

TrafficFile::~TrafficFile() {
  if (cancel_ != nullptr) cancel_();
  scope_.Join();
}

Task<void> TrafficFile::Follow(Context ctx) {
  Mark seen = read_;
  while ((co_await Sleep(ctx, kLook)).ok()) {
    const Mark now = co_await Offload([this] { return MarkOf(path_); });
    if (now != std::exchange(seen, now) || now == read_) continue;
    read_ = now;
    absl::StatusOr<TrafficRules> rules = co_await Offload([this] { return Read(path_); });
    if (!ctx.status().ok()) co_return;
    if (!rules.ok()) {
      log::Error("the traffic rules are wrong; those before stay", {{"error", rules.status()}});
      continue;
    }
    log::Info("new traffic rules", {{"file", path_}, {"services", rules->services.size()}});
    on_rules_(std::make_shared<const TrafficRules>(*std::move(rules)));
  }
}

}  // namespace micro::selector
