"""As what a model is exported: for which target, in which precision, for which batches."""

from __future__ import annotations

from dataclasses import dataclass

from triton_embed.export.precision import Precision
from triton_embed.export.target import Target


@dataclass(frozen=True)
class ExportOptions:
    """One of the ways to export a model.

    Attributes:
        target: What runs the encoder.
        precision: Of the transformer.
        max_batch_size: Most items of one request to Triton, and of one execution.

    Raises:
        ExportError: the target cannot run the precision.
    """

    target: Target
    precision: Precision
    max_batch_size: int

    def __post_init__(self) -> None:
        self.precision.check_target(self.target.name)
