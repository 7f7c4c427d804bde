"""What any gRPC tool sees of a service: it lists it, learns its messages, calls it and watches its health.

Usage: introspection_test.py ADDRESS PID DESCRIPTORS: the service's address and process, and the descriptors of
micro/grpc/introspection.proto. Ends the service.
"""

import os
import signal
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SECONDS = 60  # for each call; no healthy one needs it


class Peer:
    """Calls methods whose messages are known by their descriptors alone."""

    def __init__(self, address):
        self._channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
        self.pool = descriptor_pool.DescriptorPool()
        self._known = set()

    def learn(self, files):
        """Adds serialized FileDescriptorProtos, in any order."""
        protos = {}
        for data in files:
            proto = descriptor_pb2.FileDescriptorProto.FromString(data)
            protos[proto.name] = proto

        def add(proto):
            for name in proto.dependency:
                add(protos[name])
            if proto.name not in self._known:
                self._known.add(proto.name)
                self.pool.Add(proto)

        for proto in protos.values():
            add(proto)

    def message(self, name):
        return message_factory.MessageFactory(self.pool).GetPrototype(self.pool.FindMessageTypeByName(name))

    def unary(self, path, request, answer):
        call = self._channel.unary_unary(path, type(request).SerializeToString, self.message(answer).FromString)
        return call(request, timeout=SECONDS)

    def server_stream(self, path, request, answer):
        call = self._channel.unary_stream(path, type(request).SerializeToString, self.message(answer).FromString)
        return call(request, timeout=SECONDS)

    def chat(self, path, requests, answer):
        call = self._channel.stream_stream(path, type(requests[0]).SerializeToString, self.message(answer).FromString)
        return call(iter(requests), timeout=SECONDS)


def expect(wanted, actual, what):
    if wanted != actual:
        sys.exit(f"{what}: wanted {wanted!r}, got {actual!r}")


def expect_error(code, call, what):
    try:
        answer = call()
    except grpc.RpcError as error:
        expect(code, error.code(), what)
    else:
        sys.exit(f"{what}: wanted {code}, got {answer!r}")


def reflect(peer, version, **request):
    """The answer to one question of the reflection protocol."""
    question = peer.message("micro.wire.ServerReflectionRequest")(host="here", **request)
    answers = list(
        peer.chat(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", [question],
                  "micro.wire.ServerReflectionResponse"))
    expect(1, len(answers), f"answers to {request}")
    expect("here", answers[0].valid_host, "valid_host")
    expect(question, answers[0].original_request, "original_request")
    return answers[0]


def test_reflection(peer):
    for version in ("v1", "v1alpha"):
        services = reflect(peer, version, list_services="").list_services_response.service
        expect([
            "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
            "helloworld.Greeter"
        ], [service.name for service in services], "services")
    for question in ({"file_containing_symbol": "helloworld.Greeter"},
                     {"file_containing_symbol": "helloworld.Greeter.Hello"},
                     {"file_containing_symbol": "helloworld.HelloRequest"},
                     {"file_by_filename": "tests/interop/greeter.proto"}):
        files = reflect(peer, "v1", **question).file_descriptor_response.file_descriptor_proto
        expect(1, len(files), f"files for {question}")
        peer.learn(files)
    for question in ({"file_containing_symbol": "helloworld.Nobody"}, {"file_by_filename": "nobody.proto"},
                     {"all_extension_numbers_of_type": "helloworld.Nobody"}):
        error = reflect(peer, "v1", **question).error_response
        expect(grpc.StatusCode.NOT_FOUND.value[0], error.error_code, f"error for {question}")


def test_calls(peer):
    methods = peer.pool.FindServiceByName("helloworld.Greeter").methods_by_name
    expect(["Chat", "Count", "Echo", "Fail", "Hello", "Meta", "Sleep", "Sum"], sorted(methods), "methods")
    hello = methods["Hello"]
    request = peer.message(hello.input_type.full_name)(name="Python")
    for path in ("/helloworld.Greeter/Hello", "/any.prefix.Greeter/Hello"):
        expect("Hello Python", peer.unary(path, request, hello.output_type.full_name).greeting, path)
    count = peer.server_stream("/helloworld.Greeter/Count", peer.message("helloworld.CountRequest")(n=3),
                               "helloworld.CountResponse")
    expect([1, 2, 3], [response.i for response in count], "Count")
    expect_error(
        grpc.StatusCode.NOT_FOUND, lambda: peer.unary("/helloworld.Greeter/Fail",
                                                      peer.message("helloworld.FailRequest")(),
                                                      "helloworld.FailResponse"), "Fail")
    expect_error(grpc.StatusCode.UNIMPLEMENTED,
                 lambda: peer.unary("/helloworld.Greeter/Nope", request, hello.output_type.full_name), "Nope")


def test_health(peer, pid):
    status = peer.pool.FindEnumTypeByName("micro.wire.HealthCheckResponse.ServingStatus").values_by_name
    serving, not_serving, unknown = (status[name].number for name in ("SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"))
    request, answer = peer.message("micro.wire.HealthCheckRequest"), "micro.wire.HealthCheckResponse"
    for service in ("", "helloworld.Greeter"):
        expect(serving, peer.unary("/grpc.health.v1.Health/Check", request(service=service), answer).status, service)
    expect_error(grpc.StatusCode.NOT_FOUND,
                 lambda: peer.unary("/grpc.health.v1.Health/Check", request(service="nobody"), answer), "Check of nobody")

    watch = peer.server_stream("/grpc.health.v1.Health/Watch", request(service="helloworld.Greeter"), answer)
    expect(serving, next(watch).status, "Watch")
    watch_nobody = peer.server_stream("/grpc.health.v1.Health/Watch", request(service="nobody"), answer)
    expect(unknown, next(watch_nobody).status, "Watch of nobody")

    # The last that a watcher hears; it does not hold up the stop, whose grace is longer than the test may take.
    os.kill(pid, signal.SIGTERM)
    expect(not_serving, next(watch).status, "Watch while the service stops")
    expect_error(grpc.StatusCode.UNAVAILABLE, lambda: next(watch), "Watch after the service stopped")


def main(address, pid, descriptors):
    peer = Peer(address)
    with open(descriptors, "rb") as file:
        known = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    peer.learn(proto.SerializeToString() for proto in known.file)
    test_reflection(peer)
    test_calls(peer)
    test_health(peer, int(pid))


if __name__ == "__main__":
    main(*sys.argv[1:])
