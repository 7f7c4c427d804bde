"""C++ code from .proto files, by Debian's protoc."""

def micro_cc_proto(name, srcs, deps = [], visibility = None):
    """Messages of .proto files as a cc_library: `#include "folder/x.pb.h"`.

    Args:
      name: the library's name.
      srcs: .proto files of this package; imports are written from the workspace's root.
      deps: micro_cc_proto targets whose files are imported.
      visibility: as everywhere.
    """
    native.filegroup(
        name = name + "_protos",
        srcs = srcs + [dep + "_protos" for dep in deps],
        visibility = ["//visibility:public"],
    )
    stems = [src[:-len(".proto")] for src in srcs]
    native.genrule(
        name = name + "_pb",
        srcs = srcs + [dep + "_protos" for dep in deps],
        outs = [stem + ".pb.h" for stem in stems] + [stem + ".pb.cc" for stem in stems],
        cmd = "protoc -I. --cpp_out=$(GENDIR) " + " ".join(["$(location %s)" % src for src in srcs]),
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
