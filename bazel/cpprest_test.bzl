"""Tests that go through cpprestsdk, which tsan cannot see into and whose thread never ends."""

_LEAKS = "//bazel:cpprest_lsan_suppressions.txt"

_ENVIRONMENT = {
    # Without it tsan reports the tasks that cpprestsdk's uninstrumented part counts references of (157 times in the conformance
    # suite). With it there is no report and no suppression, while a race in our own continuations is still found.
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1",
    "LSAN_OPTIONS": "suppressions=bazel/cpprest_lsan_suppressions.txt:print_suppressions=0",
}

def cpprest_cc_test(name, data = [], **kwargs):
    """A cc_test that goes through cpprestsdk."""
    native.cc_test(
        name = name,
        data = data + [_LEAKS],
        env = _ENVIRONMENT,
        **kwargs
    )
