#include "micro/grpc/introspection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/support/status.h>

#include <optional>
#include <set>
#include <utility>

#include "core/async.h"
#include "core/mutex.h"
#include "core/status_macros.h"
#include "micro/grpc/introspection.pb.h"

namespace micro::grpc_wire {

using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

struct Health::State {
  Mutex mutex;
  bool started ABSL_GUARDED_BY(mutex) = false;
  bool ready ABSL_GUARDED_BY(mutex) = true;
  bool stopped ABSL_GUARDED_BY(mutex) = false;
  std::vector<std::shared_ptr<OneShot<bool>>> watchers ABSL_GUARDED_BY(mutex);

  wire::HealthCheckResponse::ServingStatus Now() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return started && ready && !stopped ? wire::HealthCheckResponse::SERVING
                                        : wire::HealthCheckResponse::NOT_SERVING;
  }

  void WakeWatchers() {
    std::vector<std::shared_ptr<OneShot<bool>>> woken;
    {
      MutexLock lock(mutex);
      woken.swap(watchers);
    }
    for (const auto& watcher : woken) watcher->TrySet(true);
  }
};

Health::Health() : state_(std::make_shared<State>()) {}
Health::~Health() = default;

void Health::Start() {
  {
    MutexLock lock(state_->mutex);
    state_->started = true;
  }
  state_->WakeWatchers();
}

void Health::SetReady(bool ready) {
  {
    MutexLock lock(state_->mutex);
    state_->ready = ready;
  }
  state_->WakeWatchers();
}

void Health::Stop() {
  {
    MutexLock lock(state_->mutex);
    state_->stopped = true;
  }
  state_->WakeWatchers();
}

// grpc.health.v1.Health. Every service of a server has the server's health.
class HealthService {
 public:
  HealthService(std::shared_ptr<Health> health, std::set<std::string> services)
      : health_(std::move(health)), services_(std::move(services)) {}

  Task<absl::Status> Check(const Context&, const wire::HealthCheckRequest& request,
                           wire::HealthCheckResponse& response) const {
    if (!Knows(request.service())) co_return absl::NotFoundError("unknown service");
    MutexLock lock(health_->state_->mutex);
    response.set_status(health_->state_->Now());
    co_return absl::OkStatus();
  }

  Task<absl::Status> Watch(const Context& ctx, const wire::HealthCheckRequest& request,
                           SendStream<wire::HealthCheckResponse>& stream) const {
    std::optional<wire::HealthCheckResponse::ServingStatus> told;
    while (true) {
      auto changed = std::make_shared<OneShot<bool>>();
      wire::HealthCheckResponse response;
      bool last = false;
      {
        MutexLock lock(health_->state_->mutex);
        response.set_status(health_->state_->Now());
        last = health_->state_->stopped;
        std::erase_if(health_->state_->watchers,
                      [](const auto& watcher) { return watcher.use_count() == 1; });
        health_->state_->watchers.push_back(changed);
      }
      if (!Knows(request.service()))
        response.set_status(wire::HealthCheckResponse::SERVICE_UNKNOWN);
      if (told != response.status()) CO_RETURN_IF_ERROR(co_await stream.Send(response));
      told = response.status();
      if (last) co_return absl::UnavailableError("the service is stopping");
      CO_RETURN_IF_ERROR((co_await Await(ctx, std::move(changed))).status());
    }
  }

 private:
  bool Knows(const std::string& service) const {
    return service.empty() || services_.contains(service);
  }

  const std::shared_ptr<Health> health_;
  const std::set<std::string> services_;
};

// grpc.reflection.*.ServerReflection over the descriptors that are linked into the program.
class ReflectionService {
 public:
  explicit ReflectionService(std::set<std::string> services) : services_(std::move(services)) {}

  Task<absl::Status> ServerReflectionInfo(
      const Context&,
      Stream<wire::ServerReflectionRequest, wire::ServerReflectionResponse>& stream) const {
    while (true) {
      CO_ASSIGN_OR_RETURN(std::optional<wire::ServerReflectionRequest> request,
                          co_await stream.Recv());
      if (!request.has_value()) co_return absl::OkStatus();
      CO_RETURN_IF_ERROR(co_await stream.Send(Answer(*request)));
    }
  }

 private:
  wire::ServerReflectionResponse Answer(const wire::ServerReflectionRequest& request) const {
    const DescriptorPool& pool = *DescriptorPool::generated_pool();
    wire::ServerReflectionResponse response;
    response.set_valid_host(request.host());
    *response.mutable_original_request() = request;
    switch (request.message_request_case()) {
      case wire::ServerReflectionRequest::kListServices:
        for (const std::string& service : services_) {
          response.mutable_list_services_response()->add_service()->set_name(service);
        }
        break;
      case wire::ServerReflectionRequest::kFileByFilename:
        AddFile(pool.FindFileByName(request.file_by_filename()), request.file_by_filename(),
                response);
        break;
      case wire::ServerReflectionRequest::kFileContainingSymbol:
        AddFile(pool.FindFileContainingSymbol(request.file_containing_symbol()),
                request.file_containing_symbol(), response);
        break;
      case wire::ServerReflectionRequest::kFileContainingExtension: {
        const wire::ExtensionRequest& wanted = request.file_containing_extension();
        const auto* type = pool.FindMessageTypeByName(wanted.containing_type());
        const auto* extension =
            type == nullptr ? nullptr : pool.FindExtensionByNumber(type, wanted.extension_number());
        AddFile(extension == nullptr ? nullptr : extension->file(), wanted.containing_type(),
                response);
        break;
      }
      case wire::ServerReflectionRequest::kAllExtensionNumbersOfType: {
        const auto* type = pool.FindMessageTypeByName(request.all_extension_numbers_of_type());
        if (type == nullptr) {
          SetNotFound(request.all_extension_numbers_of_type(), response);
          break;
        }
        std::vector<const google::protobuf::FieldDescriptor*> extensions;
        pool.FindAllExtensions(type, &extensions);
        response.mutable_all_extension_numbers_response()->set_base_type_name(type->full_name());
        for (const auto* extension : extensions) {
          response.mutable_all_extension_numbers_response()->add_extension_number(
              extension->number());
        }
        break;
      }
      case wire::ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
        response.mutable_error_response()->set_error_code(
            static_cast<int>(grpc::StatusCode::INVALID_ARGUMENT));
        response.mutable_error_response()->set_error_message("the request asks for nothing");
        break;
    }
    return response;
  }

  static void SetNotFound(const std::string& name, wire::ServerReflectionResponse& response) {
    response.mutable_error_response()->set_error_code(
        static_cast<int>(grpc::StatusCode::NOT_FOUND));
    response.mutable_error_response()->set_error_message(name + " is not linked into this program");
  }

  // The file, then all that it imports.
  static void AddFile(const FileDescriptor* file, const std::string& name,
                      wire::ServerReflectionResponse& response) {
    if (file == nullptr) return SetNotFound(name, response);
    std::set<const FileDescriptor*> seen = {file};
    std::vector<const FileDescriptor*> pending = {file};
    while (!pending.empty()) {
      const FileDescriptor* next = pending.back();
      pending.pop_back();
      google::protobuf::FileDescriptorProto proto;
      next->CopyTo(&proto);
      response.mutable_file_descriptor_response()->add_file_descriptor_proto(
          proto.SerializeAsString());
      for (int i = 0; i < next->dependency_count(); ++i) {
        if (seen.insert(next->dependency(i)).second) pending.push_back(next->dependency(i));
      }
    }
  }

  const std::set<std::string> services_;
};

std::vector<ServedEndpoint> IntrospectionEndpoints(const std::vector<ServedEndpoint>& endpoints,
                                                   std::shared_ptr<Health> health) {
  std::set<std::string> services;
  for (const ServedEndpoint& endpoint : endpoints) {
    // "/acme.shop.v1.Shop/Buy" → "acme.shop.v1.Shop"
    const std::string_view path = endpoint.endpoint.method.grpc_path;
    const size_t slash = path.rfind('/');
    if (slash != std::string_view::npos && slash > 1) services.emplace(path.substr(1, slash - 1));
  }
  std::vector<ServedEndpoint> made;
  const auto has = [&](std::string_view name) { return services.contains(std::string(name)); };
  const auto add = [&](HandlerEndpoint endpoint) {
    made.push_back({.handler = "", .endpoint = std::move(endpoint)});
  };

  if (!has("grpc.health.v1.Health")) {
    auto service = std::make_shared<HealthService>(std::move(health), services);
    add(UnaryEndpoint<wire::HealthCheckRequest, wire::HealthCheckResponse>(
        {.endpoint = "Health.Check",
         .grpc_path = "/grpc.health.v1.Health/Check",
         .kind = MethodKind::kUnary},
        [service](const Context& ctx, const wire::HealthCheckRequest& request,
                  wire::HealthCheckResponse& response) {
          return service->Check(ctx, request, response);
        }));
    add(ServerStreamingEndpoint<wire::HealthCheckRequest, wire::HealthCheckResponse>(
        {.endpoint = "Health.Watch",
         .grpc_path = "/grpc.health.v1.Health/Watch",
         .kind = MethodKind::kServerStreaming},
        [service](const Context& ctx, const wire::HealthCheckRequest& request,
                  SendStream<wire::HealthCheckResponse>& stream) {
          return service->Watch(ctx, request, stream);
        }));
    services.insert("grpc.health.v1.Health");
  }

  services.insert("grpc.reflection.v1.ServerReflection");
  services.insert("grpc.reflection.v1alpha.ServerReflection");
  auto reflection = std::make_shared<ReflectionService>(services);
  for (const std::string_view path :
       {"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    add(BidiEndpoint<wire::ServerReflectionRequest, wire::ServerReflectionResponse>(
        {.endpoint = "ServerReflection.ServerReflectionInfo",
         .grpc_path = path,
         .kind = MethodKind::kBidi},
        [reflection](
            const Context& ctx,
            Stream<wire::ServerReflectionRequest, wire::ServerReflectionResponse>& stream) {
          return reflection->ServerReflectionInfo(ctx, stream);
        }));
  }
  return made;
}

}  // namespace micro::grpc_wire
