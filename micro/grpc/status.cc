#include "micro/grpc/status.h"

#include "core/errors.h"
#include "micro/grpc/rpc_status.pb.h"

namespace micro::grpc_wire {
namespace {

constexpr char kErrorUrl[] = "type.googleapis.com/errors.Error";

}  // namespace

grpc::Status ToGrpc(const absl::Status& status, std::string_view service) {
  if (status.ok()) return grpc::Status::OK;
  const errors::Error error = errors::FromStatus(status, service);
  micro::wire::RpcStatus details;
  details.set_code(static_cast<int>(status.code()));
  details.set_message(errors::HasError(status) ? errors::ToJson(error)
                                               : std::string(status.message()));
  google::protobuf::Any& detail = *details.add_details();
  detail.set_type_url(kErrorUrl);
  detail.set_value(errors::ToProto(error));
  return grpc::Status(static_cast<grpc::StatusCode>(details.code()), details.message(),
                      details.SerializeAsString());
}

absl::Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  micro::wire::RpcStatus details;
  errors::Error error;
  if (!status.error_details().empty() && details.ParseFromString(status.error_details()) &&
      details.details_size() > 0 && details.details(0).type_url() == kErrorUrl &&
      errors::FromProto(details.details(0).value(), &error) && error.code > 0) {
    return errors::ToStatus(std::move(error), static_cast<absl::StatusCode>(status.error_code()));
  }
  error = errors::Parse(status.error_message());
  if (error.code > 0)
    return errors::ToStatus(std::move(error), static_cast<absl::StatusCode>(status.error_code()));
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  return errors::ToStatus({.id = std::string(errors::kClientId),
                           .code = errors::FromStatusCode(code),
                           .detail = status.error_message(),
                           .status = ""},
                          code);
}

}  // namespace micro::grpc_wire
