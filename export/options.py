"""The options of one export: target, precision and maximum batch size."""

from __future__ import annotations

from dataclasses import dataclass

from triton_embed.export.precision import Precision
from triton_embed.export.target import Target


@dataclass(frozen=True)
class ExportOptions:
    """A valid combination of target, precision and batch size.

    Attributes:
        target: The encoder's runtime.
        precision: The transformer's precision.
        max_batch_size: Maximum items per Triton request and per execution.

    Raises:
        ExportError: the target cannot run the precision.
    """

    target: Target
    precision: Precision
    max_batch_size: int

    def __post_init__(self) -> None:
        self.precision.check_target(self.target.name)
