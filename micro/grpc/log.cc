#include "micro/grpc/log.h"

#include <grpc/support/log.h>

#include <mutex>

#include "core/log.h"

namespace micro::grpc_wire {

void RouteGrpcLog() {
  static std::once_flag& once = *new std::once_flag;
  std::call_once(once, [] {
    gpr_set_log_function([](gpr_log_func_args* line) {
      log::Debug(line->message, {{"from", "grpc"}, {"file", line->file}, {"line", line->line}});
    });
  });
}

}  // namespace micro::grpc_wire
