"""Services of .proto files as C++ handlers and clients.

    load("//bazel:micro_proto_library.bzl", "micro_proto_library")
    micro_proto_library(name = "shop_micro", srcs = ["shop.proto"])
    cc_binary(name = "shop", srcs = ["main.cc"], deps = [":shop_micro", "//micro"])
"""

load("//bazel:proto.bzl", "micro_cc_proto", "protoc_command", "protos_of")

_GENERATOR = "//cmd/protoc-gen-micro-cpp"

def micro_proto_library(name, srcs, deps = [], visibility = None):
    """Messages and services of .proto files as a cc_library: `#include "folder/x.micro.h"`.

    Args:
      name: the library's name.
      srcs: .proto files of this package, with or without services; imports are written from the workspace's root.
      deps: micro_proto_library or micro_cc_proto targets whose files are imported; //bazel/googleapis for google/api.
      visibility: as everywhere.
    """
    messages = name + "_messages"
    micro_cc_proto(
        name = messages,
        srcs = srcs,
        deps = deps,
        visibility = ["//visibility:private"],
    )
    native.alias(
        name = protos_of(name),
        actual = protos_of(":" + messages),
        visibility = ["//visibility:public"],
    )
    stems = [src[:-len(".proto")] for src in srcs]
    native.genrule(
        name = name + "_code",
        srcs = srcs + [protos_of(dep) for dep in deps],
        outs = [stem + ".micro.h" for stem in stems] + [stem + ".micro.cc" for stem in stems],
        cmd = protoc_command(srcs, [
            "--plugin=protoc-gen-micro-cpp=$(execpath %s)" % _GENERATOR,
            "--micro-cpp_out=$(GENDIR)",
        ]),
        message = "Generating handlers and clients",
        tools = [_GENERATOR],
    )
    native.cc_library(
        name = name,
        srcs = [stem + ".micro.cc" for stem in stems],
        hdrs = [stem + ".micro.h" for stem in stems],
        visibility = visibility,
        deps = deps + [
            ":" + messages,
            "//micro:generated",
        ],
    )
