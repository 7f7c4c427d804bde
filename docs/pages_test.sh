#!/usr/bin/env bash
# The pages tell the truth: code that a page shows `From [file](path):` stands in that file, and the table of flags is --help's.
exec python3 docs/pages_test.py
