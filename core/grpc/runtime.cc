#include "core/grpc/runtime.h"

#include <grpc/support/log.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <mutex>

#include "core/log.h"

namespace micro {
namespace {

void RouteLog() {
  gpr_set_log_function([](gpr_log_func_args* line) {
    log::Debug(line->message, {{"from", "grpc"}, {"file", line->file}, {"line", line->line}});
  });
}

// A channel that has made a call holds the threads. This one, without credentials, goes nowhere and
// lives for ever.
void KeepCallbackThreads() {
  struct Call {
    grpc::ClientContext context;
    grpc::ByteBuffer request{nullptr, 0}, response;
  };
  static grpc::GenericStub& stub =
      *new grpc::GenericStub(grpc::CreateCustomChannel("", nullptr, {}));
  auto* call = new Call;
  stub.UnaryCall(&call->context, "/", {}, &call->request, &call->response,
                 [call](const grpc::Status&) { delete call; });
}

}  // namespace

void StartGrpc() {
  static std::once_flag& once = *new std::once_flag;
  std::call_once(once, [] {
    RouteLog();
    KeepCallbackThreads();
  });
}

}  // namespace micro
