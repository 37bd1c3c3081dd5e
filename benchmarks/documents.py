"""Figures in documents, replaced by those of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from testing.paths import ROOT

DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "performance.md")
"""Documents with figures of ``python -m benchmarks``."""


def update(path: Path, blocks: Mapping[str, str]) -> list[str]:
    """Replace the blocks of the document at `path`, and return their names.

    A block is everything between the lines ``<!-- figures: NAME -->`` and ``<!-- end -->``.

    Args:
        path: A Markdown file.
        blocks: The new text of each block, by name; the file may lack some of them.
    """
    text = path.read_text(encoding="utf-8")
    found = []
    for name, block in blocks.items():
        begin, end = f"<!-- figures: {name} -->\n", "\n<!-- end -->"
        before, marker, rest = text.partition(begin)
        _, closing, after = rest.partition(end)
        if marker and closing:
            text = f"{before}{begin}{block}{end}{after}"
            found.append(name)
    path.write_text(text, encoding="utf-8")
    return found
