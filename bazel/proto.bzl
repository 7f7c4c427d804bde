"""C++ code from .proto files, by Debian's protoc."""

# Where imports are looked for: the workspace's root, and our google/api/*.proto where a file depends on them.
_PROTO_PATHS = "-I. $$(test ! -d bazel/googleapis || echo -Ibazel/googleapis)"

def protoc_command(srcs, flags):
    """A genrule's command that runs protoc on `srcs`, files of this package."""
    return " ".join(["protoc", _PROTO_PATHS] + flags + ["$(location %s)" % src for src in srcs])

def protos_of(target):
    """The label of the .proto files behind a library of micro_cc_proto or micro_proto_library, with all that they import."""
    if "//" in target and ":" not in target:
        target += ":" + target.split("/")[-1]
    return target + "_protos"

def micro_cc_proto(name, srcs, deps = [], visibility = None):
    """Messages of .proto files as a cc_library: `#include "folder/x.pb.h"`.

    Args:
      name: the library's name.
      srcs: .proto files of this package; imports are written from the workspace's root.
      deps: micro_cc_proto or micro_proto_library targets whose files are imported.
      visibility: as everywhere.
    """
    native.filegroup(
        name = name + "_protos",
        srcs = srcs + [protos_of(dep) for dep in deps],
        visibility = ["//visibility:public"],
    )
    stems = [src[:-len(".proto")] for src in srcs]
    native.genrule(
        name = name + "_pb",
        srcs = srcs + [protos_of(dep) for dep in deps],
        outs = [stem + ".pb.h" for stem in stems] + [stem + ".pb.cc" for stem in stems],
        cmd = protoc_command(srcs, ["--cpp_out=$(GENDIR)"]),
        message = "Generating C++ messages",
    )
    native.cc_library(
        name = name,
        srcs = [stem + ".pb.cc" for stem in stems],
        hdrs = [stem + ".pb.h" for stem in stems],
        copts = ["-w"],
        visibility = visibility,
        deps = deps + ["//bazel/system:protobuf"],
    )

def grpc_cc_proto(name, srcs, deps, visibility = None):
    """gRPC's own stubs for .proto files, `x.grpc.pb.h`; for baselines and peers, the SDK does not use them.

    Args:
      name: the library's name.
      srcs: .proto files of this package.
      deps: the library with their messages first, then those of their imports.
      visibility: as everywhere.
    """
    stems = [src[:-len(".proto")] for src in srcs]
    native.genrule(
        name = name + "_code",
        srcs = srcs + [protos_of(dep) for dep in deps],
        outs = [stem + ".grpc.pb.h" for stem in stems] + [stem + ".grpc.pb.cc" for stem in stems],
        cmd = protoc_command(srcs, ["--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin", "--grpc_out=$(GENDIR)"]),
        message = "Generating gRPC stubs",
    )
    native.cc_library(
        name = name,
        srcs = [stem + ".grpc.pb.cc" for stem in stems],
        hdrs = [stem + ".grpc.pb.h" for stem in stems],
        copts = ["-w"],
        visibility = visibility,
        deps = deps + ["//bazel/system:grpc"],
    )
