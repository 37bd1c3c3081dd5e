"""The judge's recorded token ids and vectors, and the served models of the same layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from testing.paths import ROOT

GOLDEN = ROOT / "tests" / "export" / "judge" / "golden"
"""The files that ``python -m tests.export.judge`` writes."""


class Recording:
    """One layout's recording.

    Args:
        layout: A key of `tokenizer_layouts.LAYOUTS`.

    Attributes:
        versions: Version of each library of the judge.
        vectors: float32 [texts, dimension].
    """

    def __init__(self, layout: str) -> None:
        content = json.loads((GOLDEN / f"{layout}.json").read_text(encoding="utf-8"))
        self.versions: dict[str, str] = content["versions"]
        self.vectors: NDArray[np.float32] = np.array(content["vectors"], np.float32)
        self._ids: dict[str, Any] = content["ids"]

    def token_ids(self, truncate: str) -> list[list[int]]:
        """Return the tokens of each text, truncated at its ``START`` or ``END``."""
        ids: list[list[int]] = self._ids[truncate]
        return ids


def golden_files() -> set[str]:
    """Return the names of the recorded layouts."""
    return {Path(path).stem for path in GOLDEN.glob("*.json")}
