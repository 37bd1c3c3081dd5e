"""The precisions of an exported transformer.

Pooling, dense layers after it and normalization are float32 in all of them. The parity that each
must reach is in `parity.gate`.
"""

from __future__ import annotations

from dataclasses import dataclass

from triton_embed.export.errors import ExportError


@dataclass(frozen=True)
class Precision:
    """One value of ``--precision``.

    Attributes:
        name: The value itself.
        dtype: Element type of the transformer's weights and states, a name of PyTorch.
        dtype_bytes: Bytes of an element of `dtype`.
        targets: Names of the targets that can run it.
        quantized: Whether weights are int8 instead of `dtype`; see `towers.quantization`.
    """

    name: str
    dtype: str
    dtype_bytes: int
    targets: tuple[str, ...] = ("cpu", "cuda", "tensorrt")
    quantized: bool = False

    @property
    def bytes_per_weight(self) -> int:
        """Bytes of one stored weight."""
        return 1 if self.quantized else self.dtype_bytes

    def check_target(self, target: str) -> None:
        """Raise ExportError if `target` cannot run this precision."""
        if target not in self.targets:
            raise ExportError(
                f"--precision {self.name} does not run on target '{target}', only on "
                f"{' and '.join(self.targets)}"
            )


FP32 = Precision("fp32", "float32", 4)

PRECISIONS = {
    precision.name: precision
    for precision in (
        FP32,
        Precision("fp16", "float16", 2),
        # On a CPU ONNX Runtime has few bfloat16 kernels, and its packed attention has none on CUDA.
        Precision("bf16", "bfloat16", 2, targets=("tensorrt",)),
        Precision("int8", "float32", 4, targets=("cpu",), quantized=True),
    )
}
"""By name."""
