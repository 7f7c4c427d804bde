"""A library of Debian's: its headers are in /usr/include, so a target only says what to link and define."""

def system_library(name, libs = [], defines = []):
    native.cc_library(
        name = name,
        defines = defines,
        linkopts = ["-l" + lib for lib in libs] + ["-lpthread"],
    )
