"""Where an entry of the repository came from: written at export, read to verify it later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "provenance.json"
"""Lies beside the encoder's model. It may name a folder of the machine that exported."""


@dataclass(frozen=True)
class Provenance:
    """How an entry was made.

    Attributes:
        checkpoint: The hub id, or the absolute path of the folder.
        revision: The commit on the hub; ``None`` for a folder.
        architecture: ``model_type`` of the checkpoint.
        pooling: What ``--pooling`` said, if anything.
        target: What runs the encoder, one of `export.target.TARGETS`.
        precision: Of the transformer, one of `export.precision.PRECISIONS`.
    """

    checkpoint: str
    revision: str | None
    architecture: str
    pooling: tuple[str, ...] | None = None
    target: str = "cpu"
    precision: str = "fp32"

    def write(self, folder: Path) -> None:
        """Write the file into `folder`."""
        (folder / FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Provenance | None:
        """Read the file in `folder`; ``None`` if there is none, or none that can be read."""
        try:
            values = json.loads((folder / FILE).read_text(encoding="utf-8"))
            pooling = values.pop("pooling", None)
            return cls(**values, pooling=None if pooling is None else tuple(pooling))
        except (OSError, ValueError, TypeError, AttributeError):
            return None
