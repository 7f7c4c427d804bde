"""Tests that go through gRPC, which tsan cannot see into: they run with the suppressions of core/grpc/tsan_suppressions.txt."""

_SUPPRESSIONS = "//core/grpc:tsan_suppressions.txt"

_ENVIRONMENT = {
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:suppressions=core/grpc/tsan_suppressions.txt",
}

def grpc_cc_test(name, data = [], **kwargs):
    """A cc_test that goes through gRPC."""
    native.cc_test(
        name = name,
        data = data + [_SUPPRESSIONS],
        env = _ENVIRONMENT,
        **kwargs
    )

def grpc_sh_test(name, data = [], **kwargs):
    """An sh_test whose programs go through gRPC."""
    native.sh_test(
        name = name,
        data = data + [_SUPPRESSIONS],
        env = _ENVIRONMENT,
        **kwargs
    )
