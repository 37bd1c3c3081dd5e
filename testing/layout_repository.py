"""Checkpoints of the tokenizer layouts, each exported once a run into one repository."""

from __future__ import annotations

from pathlib import Path

from testing.exported import ExportedCheckpoints
from testing.tokenizer_layouts import LAYOUTS


class Layouts(ExportedCheckpoints):
    """The models of `LAYOUTS`."""

    def write(self, name: str, folder: Path) -> None:
        """See `ExportedCheckpoints.write`."""
        LAYOUTS[name].write(folder)
