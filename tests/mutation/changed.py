"""Which lines of the working tree differ from a base revision."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

VARIABLE = "ECGFOUNDRY_BASE"
_HUNK = re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")


def find_base(root: Path) -> str | None:
    """Return the revision to compare with, or None where there is none.

    ``ECGFOUNDRY_BASE``, else where this branch left ``origin/main``, else the commit before.
    """
    if named := os.environ.get(VARIABLE, "").strip():
        return _git(root, "rev-parse", "--verify", "--quiet", f"{named}^{{commit}}")
    head = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    shared = _git(root, "merge-base", "HEAD", "origin/main")
    if shared and shared != head:
        return shared
    return _git(root, "rev-parse", "--verify", "--quiet", "HEAD~1")


def changed_lines(root: Path, base: str, package: str) -> dict[str, set[int]]:
    """Return, by module (path inside the package), the lines that are new or changed since a base.

    What is not committed counts; so do new files that git does not ignore. Moved files count by
    what was changed in them.
    """
    options = ("--unified=0", "--no-color", "--no-ext-diff", "--find-renames", "--relative")
    found: dict[str, set[int]] = {}
    lines: set[int] = set()
    for line in (_git(root, "diff", *options, base, "--", package) or "").splitlines():
        if line.startswith("+++ "):
            name = line.removeprefix("+++ ").removeprefix("b/")
            lines = found.setdefault(name.removeprefix(f"{package}/"), set())
        elif match := _HUNK.match(line):
            first, count = int(match[1]), int(match[2] or 1)
            lines.update(range(first, first + count))
    new = _git(root, "ls-files", "--others", "--exclude-standard", "--", package) or ""
    for name in new.splitlines():
        count = len((root / name).read_bytes().splitlines())
        found[name.removeprefix(f"{package}/")] = set(range(1, count + 1))
    return {name: own for name, own in found.items() if name.endswith((".py", ".c")) and own}


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where it fails or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
