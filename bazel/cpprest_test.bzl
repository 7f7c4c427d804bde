"""Tests that go through cpprestsdk, which tsan cannot see into."""

# Without it tsan reports the tasks that cpprestsdk's uninstrumented part counts references of (157 times in the conformance suite).
# With it there is no report and no suppression, while a race in our own continuations is still found.
_ENVIRONMENT = {"TSAN_OPTIONS": "ignore_noninstrumented_modules=1"}

def cpprest_cc_test(name, **kwargs):
    """A cc_test that goes through cpprestsdk."""
    native.cc_test(
        name = name,
        env = _ENVIRONMENT,
        **kwargs
    )
