"""Fuzz targets: plain tests by default, libFuzzer programs with --config=fuzz."""

def micro_fuzz_test(name, srcs, corpus, deps = []):
    """A test of one `LLVMFuzzerTestOneInput`.

    By default it replays the corpus and some thousand fixed mutations of it; with --config=fuzz it
    is libFuzzer's program, which runs for 60 s unless it is told otherwise.

    Args:
      name: the test's name.
      srcs: what defines LLVMFuzzerTestOneInput.
      corpus: files, one input each.
      deps: what is fuzzed.
    """
    native.cc_test(
        name = name,
        size = "small",
        srcs = srcs,
        args = select({
            "//tests/fuzz:libfuzzer": ["-max_total_time=60"],
            "//conditions:default": ["$(rootpath %s)" % input for input in corpus],
        }),
        data = corpus,
        linkopts = select({
            "//tests/fuzz:libfuzzer": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        deps = deps + select({
            "//tests/fuzz:libfuzzer": [],
            "//conditions:default": ["//tests/fuzz:replay_main"],
        }),
    )
