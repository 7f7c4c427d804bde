"""Compares the pages with what they show; see pages_test.sh."""

import pathlib
import re
import subprocess
import sys

failures = []
pieces = 0


def lines_of(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def holds(lines, piece):
    return any(lines[i:i + len(piece)] == piece for i in range(len(lines)))


# Each fenced block is from the file of the last caption above it, and stands there line by line.
for page in [pathlib.Path("README.md"), *sorted(pathlib.Path("docs").glob("*.md"))]:
    text = page.read_text()
    for part in re.split(r"^(?=From \[)", text, flags=re.M)[1:]:
        path = re.match(r"From \[([^\]]+)\]", part).group(1)
        source = lines_of(pathlib.Path(path).read_text())
        for block in re.findall(r"^```\w+\n(.*?)^```", part, flags=re.M | re.S):
            pieces += 1
            if not holds(source, lines_of(block)):
                failures.append(f"{page}: this is not in {path}:\n{block}")
    first = text.split("From [", 1)[0]
    if "```" in first:
        failures.append(f"{page}: code above the first caption")

# The flags of --help, without the program's own, are the ones that the page lists.
shown = set(re.findall(r"^\| `--(\w+)` \| `(\w+)`", pathlib.Path("docs/getting-started.md").read_text(), flags=re.M))
text = subprocess.run(["examples/helloworld/helloworld", "--help"], capture_output=True, text=True, check=True).stdout
known = set(re.findall(r"--(\w+)(?:(?!--\w).)*?\(\$(\w+)\)", text, flags=re.S))
for flag, variable in sorted(known ^ shown):
    where = "not on the page" if (flag, variable) in known else "not known to --help"
    failures.append(f"docs/getting-started.md: --{flag} ({variable}) is {where}")
if pieces < 20 or len(known) < 30:
    failures.append(f"found only {pieces} pieces of code and {len(known)} flags: is this test still reading them?")

for failure in failures:
    print(f"FAIL: {failure}", file=sys.stderr)
print(f"{pieces} pieces of code, {len(known)} flags")
sys.exit(1 if failures else 0)
