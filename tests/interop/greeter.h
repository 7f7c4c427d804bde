// The Greeter of the interop contract, on the SDK as any user writes it. The contract's page tells
// what each method does.
#pragma once

#include "tests/interop/greeter.micro.h"

namespace interop {

class Greeter : public helloworld::GreeterHandler {
 public:
  micro::Task<absl::Status> Hello(const micro::Context& ctx,
                                  const helloworld::HelloRequest& request,
                                  helloworld::HelloResponse& response) override;
  micro::Task<absl::Status> Fail(const micro::Context& ctx, const helloworld::FailRequest& request,
                                 helloworld::FailResponse& response) override;
  micro::Task<absl::Status> Sleep(const micro::Context& ctx,
                                  const helloworld::SleepRequest& request,
                                  helloworld::SleepResponse& response) override;
  micro::Task<absl::Status> Echo(const micro::Context& ctx, const helloworld::EchoMessage& request,
                                 helloworld::EchoMessage& response) override;
  micro::Task<absl::Status> Meta(const micro::Context& ctx, const helloworld::MetaRequest& request,
                                 helloworld::MetaResponse& response) override;
  micro::Task<absl::Status> Count(const micro::Context& ctx,
                                  const helloworld::CountRequest& request,
                                  micro::SendStream<helloworld::CountResponse>& stream) override;
  micro::Task<absl::Status> Sum(const micro::Context& ctx,
                                micro::RecvStream<helloworld::SumRequest>& stream,
                                helloworld::SumResponse& response) override;
  micro::Task<absl::Status> Chat(
      const micro::Context& ctx,
      micro::Stream<helloworld::ChatMessage, helloworld::ChatMessage>& stream) override;
};

}  // namespace interop
