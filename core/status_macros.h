// RETURN_IF_ERROR and ASSIGN_OR_RETURN, and their co_return twins for coroutines.
//
//   ASSIGN_OR_RETURN(const Node node, PickNode());
//   CO_RETURN_IF_ERROR(co_await registry.Register(ctx, service, {}));
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define MICRO_CONCAT_INNER(a, b) a##b
#define MICRO_CONCAT(a, b) MICRO_CONCAT_INNER(a, b)

#define MICRO_RETURN_IF_ERROR_WITH(keyword, expression)                   \
  do {                                                                    \
    if (::absl::Status micro_status = (expression); !micro_status.ok()) { \
      keyword micro_status;                                               \
    }                                                                     \
  } while (false)

#define MICRO_ASSIGN_OR_WITH(keyword, slot, target, expression) \
  auto slot = (expression);                                     \
  if (!slot.ok()) keyword std::move(slot).status();             \
  target = *std::move(slot)

#define RETURN_IF_ERROR(expression) MICRO_RETURN_IF_ERROR_WITH(return, expression)
#define CO_RETURN_IF_ERROR(expression) MICRO_RETURN_IF_ERROR_WITH(co_return, expression)
#define ASSIGN_OR_RETURN(target, expression) \
  MICRO_ASSIGN_OR_WITH(return, MICRO_CONCAT(micro_statusor_, __LINE__), target, expression)
#define CO_ASSIGN_OR_RETURN(target, expression) \
  MICRO_ASSIGN_OR_WITH(co_return, MICRO_CONCAT(micro_statusor_, __LINE__), target, expression)
