#include "micro/rpc/server_call.h"

#include <google/protobuf/message.h>

#include <memory>
#include <optional>
#include <utility>

#include "core/errors.h"
#include "micro/rpc/body.h"
#include "micro/rpc/legacy.h"
#include "micro/rpc/response.h"
#include "micro/wire.h"

namespace micro::rpc {
namespace {

constexpr size_t kKeptScratch = 256 << 10;

// Texts that are written anew for each answer, in memory that stays.
struct Scratch {
  std::string body, text;

  void Clear() {
    for (std::string* part : {&body, &text}) {
      if (part->capacity() > kKeptScratch) *part = std::string();
      part->clear();
    }
  }
};

Scratch& ThisThreads() {
  thread_local Scratch scratch;
  scratch.Clear();
  return scratch;
}

// How the messages of a call are written.
struct Form {
  std::optional<BodyFormat> format = {};
  std::optional<LegacyFormat> legacy = {};
  LegacyCall legacy_call = {};

  std::string_view ContentType(std::string_view request) const {
    if (legacy.has_value()) return legacy->content_type();
    return BareContentType(request);
  }
};

void AnswerError(Connection& connection, Connection::Answer& answer, const Form& form,
                 std::string_view echo, std::string_view content_type, std::string_view error) {
  Scratch& scratch = ThisThreads();
  if (form.legacy.has_value()) form.legacy->AppendError(form.legacy_call, error, scratch.body);
  AppendError(echo, form.ContentType(content_type), error, scratch.body, scratch.text);
  connection.Finish(answer, scratch.text);
}

// A call whose handler runs; it frees itself.
class RunningCall {
 public:
  RunningCall(Connection& connection, Connection::Answer& answer, const ServedEndpoint& endpoint,
              Form form, Incoming incoming, std::unique_ptr<Exchange> exchange)
      : connection_(&connection),
        answer_(answer),
        endpoint_(endpoint),
        form_(std::move(form)),
        echo_(std::move(incoming.echo)),
        exchange_(std::move(exchange)) {
    ctx_ = WithStopToken(ctx_, connection.stop().get_token());
    ctx_ = WithMetadata(ctx_, std::move(incoming.metadata));
    ctx_ = WithTimeout(ctx_, incoming.timeout);
    request_ = {.service = connection.state().service,
                .method = endpoint.endpoint.method,
                .content_type = form_.ContentType(
                    ctx_.metadata().Get(headers::kContentType).value_or(std::string_view())),
                .body = codec::ConstBody(exchange_->request())};
  }

  internal::Detached Run() {
    absl::Status status;
    try {
      const RunningCallMark mark(*endpoint_.calls);
      status =
          co_await endpoint_.endpoint.handle(ctx_, request_, {.message = &exchange_->response()});
    } catch (...) {
      status = HandlerThrew(request_.service, request_.method.endpoint);
    }
    co_await connection_->loop().Enter();
    Finish(status);
    delete this;
  }

 private:
  void Finish(absl::Status status) {
    if (status.ok()) status = Answer();
    if (status.ok()) return;
    AnswerError(*connection_, answer_, form_, echo_, request_.content_type,
                errors::ToJson(errors::FromStatus(status, request_.service)));
  }

  absl::Status Answer() {
    Scratch& scratch = ThisThreads();
    const size_t limit = connection_->state().max_send;
    const absl::Status status =
        form_.legacy.has_value()
            ? form_.legacy->AppendResponse(form_.legacy_call, exchange_->response(), limit,
                                           scratch.body)
            : form_.format->Append(exchange_->response(), limit, scratch.body);
    if (!status.ok()) return status;
    AppendResponse(echo_, request_.content_type, scratch.body, scratch.text);
    connection_->Finish(answer_, scratch.text);
    return status;
  }

  const Connection::Ptr connection_;
  Connection::Answer& answer_;
  const ServedEndpoint& endpoint_;
  const Form form_;
  const std::string echo_;
  const std::unique_ptr<Exchange> exchange_;
  Context ctx_;
  Request request_;
};

}  // namespace

void StartCall(Connection& connection, Connection::Answer& answer, const HttpMessage& message,
               Incoming incoming) {
  const ServerState& state = connection.state();
  Form form;
  const auto fail = [&](std::string_view error) {
    AnswerError(connection, answer, form, incoming.echo, incoming.content_type, error);
  };
  const auto fail_as = [&](absl::Status error) {
    fail(errors::ToJson(errors::FromStatus(error, state.service)));
  };
  // In go-micro's words, and as text that is no error.
  const auto unsupported = [&](const absl::Status& why) {
    Scratch& scratch = ThisThreads();
    AppendResponse(incoming.echo, "text/plain", ToStd(why.message()), scratch.text);
    connection.Finish(answer, scratch.text);
  };

  if (incoming.legacy || LegacyFormat::IsNamedBy(incoming.content_type)) {
    const absl::StatusOr<LegacyFormat> legacy = LegacyFormat::Of(incoming.content_type);
    if (!legacy.ok()) return unsupported(legacy.status());
    form.legacy = *legacy;
    absl::StatusOr<LegacyCall> call = legacy->ReadRequest(message.body);
    if (!call.ok())
      return fail_as(errors::BadRequest(state.service, ToStd(call.status().message())));
    form.legacy_call = *std::move(call);
  } else {
    const absl::StatusOr<BodyFormat> format = BodyFormat::Of(incoming.content_type);
    if (!format.ok()) return unsupported(format.status());
    form.format = *format;
  }

  const std::string_view name =
      form.legacy.has_value() ? std::string_view(form.legacy_call.endpoint) : incoming.endpoint;
  const ServedEndpoint* endpoint = state.endpoints.Find(name);
  if (endpoint == nullptr) return fail(state.endpoints.WhyNot(name));
  if (endpoint->endpoint.method.kind != MethodKind::kUnary) {
    return fail_as(errors::BadRequest(state.service,
                                      "%s is a stream: its messages bear a Micro-Stream header",
                                      std::string(name)));
  }

  std::unique_ptr<Exchange> exchange = endpoint->endpoint.new_exchange();
  const absl::Status read = form.legacy.has_value()
                                ? form.legacy->ReadMessage(form.legacy_call, exchange->request())
                                : form.format->Read(message.body, exchange->request());
  if (!read.ok()) return fail_as(errors::BadRequest(state.service, ToStd(read.message())));
  (new RunningCall(connection, answer, *endpoint, std::move(form), std::move(incoming),
                   std::move(exchange)))
      ->Run();
}

}  // namespace micro::rpc
