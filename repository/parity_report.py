"""The parity report that is installed with a model: parity.json, next to the encoder's model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triton_embed.repository.layout import PARITY_FILE


def write(folder: Path, figures: Mapping[str, Any]) -> None:
    """Write the measured figures into the encoder's version folder."""
    text = json.dumps(dict(figures), indent=2)
    (folder / PARITY_FILE).write_text(f"{text}\n", encoding="utf-8")


def read(folder: Path | None) -> Mapping[str, Any] | None:
    """Return the figures in the encoder's version folder; ``None`` if there are none to read."""
    if folder is None:
        return None
    try:
        return dict(json.loads((folder / PARITY_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
