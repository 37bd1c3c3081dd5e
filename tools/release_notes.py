"""Print the section of CHANGELOG.md about a version.

Usage: release_notes.py VERSION
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"


def notes(changelog: str, version: str) -> str:
    """Return the text below the heading ``## VERSION`` or ``## VERSION - DATE``.

    Raises:
        SystemExit: There is no such section, or it is empty.
    """
    heading = rf"^## {re.escape(version)}(?: - [0-9-]+)?\n(.*?)(?=^## |\Z)"
    found = re.search(heading, changelog, re.MULTILINE | re.DOTALL)
    if not found or not found[1].strip():
        raise SystemExit(
            f"CHANGELOG.md has no section '## {version}'; rename '## Unreleased' to "
            f"'## {version} - DATE' before the tag"
        )
    return found[1].strip()


if __name__ == "__main__":
    print(notes(CHANGELOG.read_text(encoding="utf-8"), sys.argv[1]))
