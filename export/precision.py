"""The precisions that a transformer can be exported in, and how far each may be off.

Pooling, dense layers after it and normalisation are float32 in all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from triton_embed.export.errors import ExportError


@dataclass(frozen=True)
class ParityThresholds:
    """What the parity gate allows.

    Attributes:
        min_cosine: Between a vector and its reference.
        min_retrieval: See `export.parity.Parity`.
        max_batch_deviation: See `export.parity.Parity`.
        max_absolute_error: Of one component; ``None`` for no limit.
    """

    min_cosine: float
    min_retrieval: float = 0.995
    max_batch_deviation: float = 1e-4
    max_absolute_error: float | None = None


@dataclass(frozen=True)
class Precision:
    """One value of ``--precision``.

    Attributes:
        name: That value.
        dtype: Of the transformer's weights and states.
        limits: What the parity gate allows.
        targets: The targets that can run it.
        quantized: Whether weights are int8 instead; see `export.quantization`.
    """

    name: str
    dtype: torch.dtype
    limits: ParityThresholds
    targets: tuple[str, ...] = ("cpu", "cuda", "tensorrt")
    quantized: bool = False

    @property
    def bytes_each(self) -> int:
        """Bytes of one weight."""
        return 1 if self.quantized else self.dtype.itemsize

    def check_target(self, target: str) -> None:
        """Raise ExportError if `target` cannot run this precision."""
        if target not in self.targets:
            raise ExportError(
                f"--precision {self.name} does not run on target '{target}', only on "
                f"{' and '.join(self.targets)}"
            )


FP32 = Precision(
    "fp32", torch.float32, ParityThresholds(min_cosine=0.99999, max_absolute_error=1e-4)
)

PRECISIONS = {
    precision.name: precision
    for precision in (
        FP32,
        Precision("fp16", torch.float16, ParityThresholds(min_cosine=0.9995)),
        # ONNX Runtime has few kernels for it on CPU, and its packed attention on CUDA has none. Its
        # states have three bits less than fp16's.
        Precision(
            "bf16",
            torch.bfloat16,
            ParityThresholds(min_cosine=0.998, max_batch_deviation=1e-3),
            targets=("tensorrt",),
        ),
        Precision(
            "int8",
            torch.float32,
            ParityThresholds(min_cosine=0.98),
            targets=("cpu",),
            quantized=True,
        ),
    )
}
"""By name."""
