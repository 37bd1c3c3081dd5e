"""The parity gate: the thresholds of each precision, and the verdict on a measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from triton_embed.export.errors import ExportError


@dataclass(frozen=True)
class ParityThresholds:
    """The limits of a measurement; see `Parity` for the quantities.

    Attributes:
        min_cosine: Minimum of `Parity.min_cosine`.
        min_retrieval: Minimum of `Parity.retrieval`.
        max_batch_deviation: Maximum of `Parity.max_batch_deviation`.
        max_absolute_error: Maximum of `Parity.max_absolute_error`; ``None``: no limit.
    """

    min_cosine: float
    min_retrieval: float = 0.995
    max_batch_deviation: float = 1e-4
    max_absolute_error: float | None = None


THRESHOLDS: Mapping[str, ParityThresholds] = {
    "fp32": ParityThresholds(min_cosine=0.99999, max_absolute_error=1e-4),
    "fp16": ParityThresholds(min_cosine=0.9995),
    # Its 8 bits of significand are 3 fewer than fp16's 11, so that rounding errors are 8 times as
    # large; 1 - cosine grows with their square, at most 64 times. Not measured on a GPU yet.
    "bf16": ParityThresholds(min_cosine=0.998, max_batch_deviation=1e-3),
    "int8": ParityThresholds(min_cosine=0.98),
}
"""By the name of the precision; design D10 has the derivation of fp32, fp16 and int8."""


@dataclass(frozen=True)
class Parity:
    """Deviation of an ONNX model from the reference, the worst over all texts and prompts.

    Attributes:
        max_absolute_error: Maximum difference of one component.
        min_cosine: Minimum cosine between a vector and its reference.
        retrieval: Mean nDCG@10 of searches with each text among the others. The gains are the
            reference's cosines, less the search's minimum.
        max_batch_deviation: Maximum difference of one component between a text alone and the same
            text in a batch, relative to the vector's length.
        token_differences: Number of texts whose served tokens are not the checkpoint's; none may
            be.
        texts: Number of vectors compared.
        target: Name of the model's target.
        precision: Name of the precision, a key of `THRESHOLDS`.
        caveat: The difference between the measured and the served model; ``None``: none.
    """

    max_absolute_error: float
    min_cosine: float
    retrieval: float
    max_batch_deviation: float
    token_differences: int
    texts: int
    target: str
    precision: str
    caveat: str | None

    def __str__(self) -> str:
        return (
            f"max absolute error {self.max_absolute_error:.1e}, min cosine {self.min_cosine:.7f} "
            f"over {self.texts} vectors"
        )

    def check(self) -> None:
        """Raise ExportError if a token differs or a threshold is missed; NaN misses every one."""
        if self.token_differences:
            raise ExportError(
                f"the served tokenizer.json gives {self.token_differences} of {self.texts // 2} "
                "texts other tokens than the checkpoint's files: export the checkpoint again"
            )
        limits = THRESHOLDS[self.precision]
        max_error = limits.max_absolute_error
        if not (
            (max_error is None or self.max_absolute_error <= max_error)
            and self.min_cosine >= limits.min_cosine
            and self.retrieval >= limits.min_retrieval
            and self.max_batch_deviation <= limits.max_batch_deviation
        ):
            raise ExportError(
                f"parity with the reference failed for {self.precision}: max absolute error "
                f"{self.max_absolute_error:.2e} "
                f"({'no limit' if max_error is None else f'limit {max_error}'}), "
                f"min cosine {self.min_cosine:.6f} (limit {limits.min_cosine}), "
                f"retrieval {self.retrieval:.4f} (limit {limits.min_retrieval}), "
                f"max batch deviation {self.max_batch_deviation:.1e} "
                f"(limit {limits.max_batch_deviation})"
            )

    def figures(self) -> dict[str, Any]:
        """Return the figures and their limits, for the parity report."""
        return {**asdict(self), "limits": asdict(THRESHOLDS[self.precision])}
