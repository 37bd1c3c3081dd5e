"""The checkpoint that a model was exported from: provenance.json, next to the encoder's model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from triton_embed.repository.layout import PROVENANCE_FILE


@dataclass(frozen=True)
class TokenizerProvenance:
    """The origin of a model's tokenizer.

    Attributes:
        sha256: Digest of the installed tokenizer.json, in hexadecimal.
        source: The value of ``--tokenizer``.
        add_bos_token: The value of ``--add-bos-token``, if it was given.
        add_eos_token: The value of ``--add-eos-token``, if it was given.
        changes: Differences from the checkpoint's own tokenizer.json, one sentence each.
    """

    sha256: str
    source: str
    add_bos_token: bool | None = None
    add_eos_token: bool | None = None
    changes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Provenance:
    """The source and the options of an export.

    Attributes:
        checkpoint: The hub id, or the absolute path of a folder on the exporting machine.
        revision: The commit on the hub; ``None`` for a folder.
        architecture: ``model_type`` of the checkpoint.
        pooling: Pooling modes of a checkpoint without modules.json; ``None``: it defines them.
        normalize: Whether vectors of such a checkpoint are L2-normalized; ``None``: see `pooling`.
        target: The runtime of the encoder, a key of `export.target.TARGETS`.
        precision: Precision of the transformer, a key of `export.precision.PRECISIONS`.
        tokenizer: The tokenizer's origin; ``None``: not known before the export.
    """

    checkpoint: str
    revision: str | None
    architecture: str
    pooling: tuple[str, ...] | None = None
    normalize: bool | None = None
    target: str = "cpu"
    precision: str = "fp32"
    tokenizer: TokenizerProvenance | None = None

    def write(self, folder: Path) -> None:
        """Write the file into the encoder's version folder."""
        text = json.dumps(asdict(self), indent=2)
        (folder / PROVENANCE_FILE).write_text(f"{text}\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path | None) -> Provenance | None:
        """Read the file in the encoder's version folder; ``None`` if there is none to read."""
        if folder is None:
            return None
        try:
            values = json.loads((folder / PROVENANCE_FILE).read_text(encoding="utf-8"))
            pooling = values.pop("pooling", None)
            tokenizer = values.pop("tokenizer", None)
            return cls(
                **values,
                pooling=None if pooling is None else tuple(pooling),
                tokenizer=None if tokenizer is None else _tokenizer(**tokenizer),
            )
        except (OSError, ValueError, TypeError, AttributeError):
            return None


def _tokenizer(changes: Iterable[str] = (), **values: Any) -> TokenizerProvenance:
    return TokenizerProvenance(**values, changes=tuple(changes))
