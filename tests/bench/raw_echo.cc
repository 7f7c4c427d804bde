#include <grpcpp/grpcpp.h>

#include <cstdlib>

#include "core/mutex.h"
#include "tests/bench/echo.grpc.pb.h"
#include "tests/bench/echo_peer.h"

namespace bench {
namespace {

class RawServer final : public EchoServer {
 public:
  RawServer() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) std::abort();
  }
  ~RawServer() override { server_->Shutdown(); }
  int port() const override { return port_; }

 private:
  class Service final : public Echo::CallbackService {
    grpc::ServerUnaryReactor* Echo(grpc::CallbackServerContext* context, const EchoMessage* request,
                                   EchoMessage* response) override {
      response->set_payload(request->payload());
      grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
      reactor->Finish(grpc::Status::OK);
      return reactor;
    }
  };
  int port_ = 0;
  Service service_;
  std::unique_ptr<grpc::Server> server_;
};

// One of the callers: it calls again from the callback of the call before.
class Caller {
 public:
  Caller(Echo::Stub& stub, int slot, int payload, Meter& meter, std::function<void()> ended)
      : stub_(stub), slot_(slot), meter_(meter), ended_(std::move(ended)) {
    request_.set_payload(std::string(static_cast<size_t>(payload), 'x'));
  }

  void Call() {
    if (meter_.over()) return ended_();
    context_ = std::make_unique<grpc::ClientContext>();
    // As the SDK does, and as every client should: a call has a deadline.
    context_->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    start_ = Meter::Now();
    stub_.async()->Echo(context_.get(), &request_, &response_, [this](const grpc::Status& status) {
      if (!status.ok() || response_.payload().size() != request_.payload().size()) std::abort();
      meter_.Add(slot_, start_, Meter::Now());
      Call();
    });
  }

 private:
  Echo::Stub& stub_;
  const int slot_;
  Meter& meter_;
  const std::function<void()> ended_;
  EchoMessage request_, response_;
  std::unique_ptr<grpc::ClientContext> context_;
  int64_t start_ = 0;
};

}  // namespace

std::unique_ptr<EchoServer> StartRawServer() { return std::make_unique<RawServer>(); }

void RunRawClient(const Load& load, Meter& meter) {
  const std::unique_ptr<Echo::Stub> stub =
      Echo::NewStub(grpc::CreateChannel(load.address, grpc::InsecureChannelCredentials()));
  {  // connects
    grpc::ClientContext context;
    EchoMessage request, response;
    if (!stub->Echo(&context, request, &response).ok()) std::abort();
  }
  meter.Begin();
  micro::Mutex mutex;
  micro::CondVar changed;
  int running = load.concurrency;
  std::vector<std::unique_ptr<Caller>> callers;
  for (int i = 0; i < load.concurrency; ++i) {
    callers.push_back(std::make_unique<Caller>(*stub, i, load.payload, meter, [&] {
      micro::MutexLock lock(mutex);
      --running;
      changed.NotifyAll();
    }));
    callers.back()->Call();
  }
  micro::MutexLock lock(mutex);
  while (running > 0) changed.Wait(mutex);
}

}  // namespace bench
