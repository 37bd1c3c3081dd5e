"""The user's request for an export, before the checkpoint is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from triton_embed.export.checkpoint.tokenizer import TokenizerOptions
from triton_embed.export.precedence import SpecOverrides


@dataclass(frozen=True)
class ExportRequest:
    """All options of an export.

    Attributes:
        checkpoint: A folder, or a hub id (``owner/name``).
        model_repository: The folder that Triton serves; created if it does not exist.
        model_id: The public id; ``None``: the hub id, or the folder's name.
        revision: A branch, tag or commit on the hub; ``None``: the main branch.
        target: The encoder's runtime, a key of `target.TARGETS`.
        precision: The transformer's, a key of `precision.PRECISIONS`; ``None``: the target's.
        max_batch_size: Maximum texts per Triton request and per execution; ``None``: the target's.
        overrides: Spec values that take precedence over the checkpoint's own files.
        tokenizer: Overrides of the rule that makes the tokenizer from the checkpoint's files.
    """

    checkpoint: str
    model_repository: Path
    model_id: str | None = None
    revision: str | None = None
    target: str = "cpu"
    precision: str | None = None
    max_batch_size: int | None = None
    overrides: SpecOverrides = field(default_factory=SpecOverrides)
    tokenizer: TokenizerOptions = field(default_factory=TokenizerOptions)
