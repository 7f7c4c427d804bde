// The service of the public gRPC interop suite (grpc.testing.TestService), on the SDK as any user
// writes one. The suite's "interop test descriptions" tell what each method does.
#pragma once

#include "tests/interop/grpc_testing.micro.h"

namespace interop {

// The metadata that the service gives back: the one as header, the other as trailer.
inline constexpr std::string_view kEchoedHeader = "x-grpc-test-echo-initial";
inline constexpr std::string_view kEchoedTrailer = "x-grpc-test-echo-trailing-bin";

class GrpcTestService final : public grpc::testing::TestServiceHandler {
 public:
  micro::Task<absl::Status> EmptyCall(const micro::Context& ctx,
                                      const grpc::testing::Empty& request,
                                      grpc::testing::Empty& response) override;
  micro::Task<absl::Status> UnaryCall(const micro::Context& ctx,
                                      const grpc::testing::SimpleRequest& request,
                                      grpc::testing::SimpleResponse& response) override;
  micro::Task<absl::Status> StreamingOutputCall(
      const micro::Context& ctx, const grpc::testing::StreamingOutputCallRequest& request,
      micro::SendStream<grpc::testing::StreamingOutputCallResponse>& stream) override;
  micro::Task<absl::Status> StreamingInputCall(
      const micro::Context& ctx,
      micro::RecvStream<grpc::testing::StreamingInputCallRequest>& stream,
      grpc::testing::StreamingInputCallResponse& response) override;
  micro::Task<absl::Status> FullDuplexCall(
      const micro::Context& ctx,
      micro::Stream<grpc::testing::StreamingOutputCallRequest,
                    grpc::testing::StreamingOutputCallResponse>& stream) override;
};

}  // namespace interop
