#include "micro/subscriptions.h"

#include <fmt/format.h>
#include <google/protobuf/message.h>

#include <algorithm>
#include <map>
#include <utility>

#include "codec/codec.h"
#include "core/errors.h"
#include "core/log.h"
#include "core/status_macros.h"
#include "micro/endpoint_value.h"

namespace micro {

// All subscribers of one topic and queue, with the wrappers around them.
struct Subscriptions::Group {
  std::string service;
  std::vector<Subscriber> members;
};

namespace {

Task<absl::Status> Guarded(const SubscriberFunc& handle, const Context& ctx,
                           const Publication& publication) {
  try {
    co_return co_await handle(ctx, publication);
  } catch (const std::exception& exception) {
    co_return absl::InternalError(fmt::format("the subscriber threw: {}", exception.what()));
  } catch (...) {
    co_return absl::InternalError("the subscriber threw an object that is no std::exception");
  }
}

}  // namespace

Task<absl::Status> Subscriptions::Deliver(const Group& group, const Context& ctx,
                                          broker::Event& event) {
  const broker::Message& message = event.message();
  const std::string content_type(
      message.header.Get(headers::kContentType).value_or("application/grpc"));
  const absl::StatusOr<const codec::Codec*> codec = codec::ForContentType(content_type);
  if (!codec.ok())
    co_return errors::InternalServerError(group.service, ToStd(codec.status().message()));
  Metadata metadata = message.header;
  metadata.Delete(headers::kContentType);
  const Context handler_ctx = WithMetadata(ctx, std::move(metadata));
  std::string failures;
  for (const Subscriber& member : group.members) {
    const std::unique_ptr<google::protobuf::Message> payload = member.new_payload();
    absl::Status status = (*codec)->UnmarshalFromString(message.body, *payload);
    if (status.ok()) {
      const Publication publication{
          .topic = event.topic(), .content_type = content_type, .payload = *payload};
      status = co_await Guarded(member.handle, handler_ctx, publication);
    }
    if (!status.ok())
      failures += fmt::format("{}{}", failures.empty() ? "" : "\n", std::string(status.message()));
  }
  if (failures.empty()) co_return absl::OkStatus();
  co_return errors::InternalServerError(group.service,
                                        std::string_view("subscriber error: " + failures));
}

Task<absl::Status> Subscriptions::Start(Context ctx, std::string service,
                                        std::vector<SubscriberWrapper> wrappers) {
  if (subscribers_.empty()) co_return absl::OkStatus();
  if (broker_ == nullptr) {
    co_return absl::FailedPreconditionError(
        fmt::format("service {} has subscribers and no broker (flag --broker)", service));
  }
  CO_RETURN_IF_ERROR(co_await broker_->Connect(ctx));
  std::map<std::pair<std::string, std::string>, std::shared_ptr<Group>> groups;
  for (const Subscriber& subscriber : subscribers_) {
    std::shared_ptr<Group>& group = groups[{subscriber.topic, subscriber.options.queue}];
    if (group == nullptr) group = std::make_shared<Group>(Group{service, {}});
    Subscriber wrapped = subscriber;
    for (auto wrapper = wrappers.rbegin(); wrapper != wrappers.rend(); ++wrapper) {
      wrapped.handle = (*wrapper)(std::move(wrapped.handle));
    }
    group->members.push_back(std::move(wrapped));
  }
  for (const auto& [key, group] : groups) {
    const auto deliver = [group = group](const Context& message_ctx, broker::Event& event) {
      return Deliver(*group, message_ctx, event);
    };
    const bool auto_ack = group->members[0].options.auto_ack;
    CO_ASSIGN_OR_RETURN(auto running,
                        co_await broker_->Subscribe(ctx, key.first, deliver,
                                                    {.queue = key.second, .auto_ack = auto_ack}));
    running_.push_back(std::move(running));
    log::Info("subscribed",
              {{"topic", key.first}, {"queue", key.second}, {"broker", broker_->name()}});
  }
  co_return absl::OkStatus();
}

Task<void> Subscriptions::Unsubscribe(Context ctx) {
  for (const auto& subscriber : running_) {
    const absl::Status status = co_await subscriber->Unsubscribe(ctx);
    if (!status.ok())
      log::Warn("could not unsubscribe", {{"topic", subscriber->topic()}, {"error", status}});
  }
}

Task<void> Subscriptions::Disconnect(Context ctx) {
  if (running_.empty()) co_return;
  const absl::Status status = co_await broker_->Disconnect(ctx);
  if (!status.ok())
    log::Warn("could not disconnect", {{"broker", broker_->name()}, {"error", status}});
  running_.clear();
}

std::vector<registry::Endpoint> Subscriptions::Records() const {
  std::vector<registry::Endpoint> records;
  for (const Subscriber& subscriber : subscribers_) {
    if (subscriber.options.internal) continue;
    records.push_back({.name = "Func",
                       .request = ValueOf(*subscriber.payload),
                       .response = {},
                       .metadata = {{"subscriber", "true"}, {"topic", subscriber.topic}}});
  }
  std::sort(records.begin(), records.end(),
            [](const registry::Endpoint& a, const registry::Endpoint& b) {
              return a.metadata.at("topic") > b.metadata.at("topic");
            });
  return records;
}

}  // namespace micro
