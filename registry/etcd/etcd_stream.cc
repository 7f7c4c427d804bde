#include "registry/etcd/etcd_stream.h"

#include <grpcpp/support/proto_buffer_reader.h>

#include <string>

#include "core/async.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace micro::registry {

grpc::ByteBuffer ToEtcdBytes(const google::protobuf::MessageLite& message) {
  const grpc::Slice slice(message.SerializeAsString());
  return grpc::ByteBuffer(&slice, 1);
}

absl::Status FromEtcdBytes(grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message) {
  grpc::ProtoBufferReader in(&bytes);
  if (message.ParseFromZeroCopyStream(&in)) return absl::OkStatus();
  return absl::InternalError("what it answered is no message of etcd's");
}

absl::Status EtcdStatus(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      ToAbsl(status.error_message()));
}

Task<absl::Status> ReceiveEtcdBytes(Context ctx, std::shared_ptr<GrpcBidiCall> call) {
  CO_RETURN_IF_ERROR(ctx.status());
  {
    const auto cancel = [call](const absl::Status&) { call->Cancel(); };
    const ContextEnd end(ctx, cancel);
    if (co_await call->Read()) co_return absl::OkStatus();
  }
  const absl::Status ended = EtcdStatus(co_await call->End());
  CO_RETURN_IF_ERROR(ctx.status());
  CO_RETURN_IF_ERROR(ended);
  co_return absl::UnavailableError("it ended the stream");
}

}  // namespace micro::registry
