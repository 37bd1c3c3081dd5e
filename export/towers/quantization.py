"""Linear layers and token tables in int8.

Weights have one scale per output channel, states one per token. A scale shared by several tokens,
as in ONNX Runtime's own dynamic quantization, would make a vector depend on its batch mates.

Some features of the states are far larger than the others and leave them few of the 255 levels.
Two measures reduce that loss, by the ranges of the states on calibration texts. *Smoothing* divides
each feature by a constant and multiplies its weights by it, as in SmoothQuant (arXiv:2211.10438).
The results of an activation function with a minimum, such as GELU, are *shifted* instead, so that
no level is spent on the sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from triton_embed.export.towers.calibration import LayerInput

QMAX = 127
"""Maximum absolute value of a quantized number, symmetric around 0."""

SHIFTED_QMAX = 255
"""Maximum of a quantized number that is never negative."""

ZERO_POINT = 128
"""Zero point of states, which are uint8 because processors multiply uint8 by int8."""

SMOOTHING = 0.5
"""Share of a feature's range, in the exponent, that moves from states to weights. With half,
both get the same range (SmoothQuant, arXiv:2211.10438)."""

MIN_ACTIVATION = -0.3
"""Minimum of states that are shifted. GELU's minimum is -0.17, that of SiLU -0.28; other states,
such as those of a gate, have no minimum and can be smaller."""

MIN_SCALE = 1e-30
"""Minimum scale, so that a row of zeros is not divided by 0."""

MIN_RANGE = 1e-5
"""Minimum range of a feature or of its weights; zeros have no factor."""

MIN_SKEW = 4
"""Minimum ratio of the largest to the smallest state of shifted ones. Less skewed states are
unlikely to be results of an activation function, and unseen states may be smaller."""

ROWS_PER_CHUNK = 8192
"""Rows of a token table that are quantized at a time; the whole table in float32 would double the
memory of an export. 8192 rows of 4096 components are 128 MiB."""


class Int8Linear(nn.Module):
    """A linear layer that multiplies in int8 and accumulates in int32.

    The absolute values of two adjacent weights of a channel add up to at most 128: x86 processors
    without VNNI instructions add the products of two weights with uint8 states in 16 bits, which
    would saturate.
    """

    weight: Tensor
    scale: Tensor
    one: Tensor
    zero_point: Tensor
    bias: Tensor | None
    smoothing: Tensor | None

    def __init__(
        self, linear: nn.Linear, smoothing: Tensor | None = None, minimum: float | None = None
    ) -> None:
        """Quantize the weights of `linear`.

        Args:
            linear: The layer.
            smoothing: float32 [in_features]: factors on the states, whose weights are divided by
                them.
            minimum: Minimum of the states if they are to be shifted; smaller ones are clipped.
        """
        super().__init__()
        with torch.no_grad():
            weight = linear.weight if smoothing is None else linear.weight / smoothing
            magnitude = weight.abs()
            scale = _scale((magnitude[:, 1:] + magnitude[:, :-1]).amax(1))
            rounded = torch.round(weight / scale[:, None])
            bias = linear.bias
            if minimum is not None:
                shift = minimum * (rounded * scale[:, None]).sum(1)
                bias = nn.Parameter(shift if bias is None else bias + shift)
        self.minimum = minimum
        self.register_buffer("smoothing", smoothing)
        self.register_buffer("weight", rounded.to(torch.int8).t().contiguous())
        self.register_buffer("scale", scale)
        self.register_buffer("one", torch.tensor(1.0))
        zero_point = ZERO_POINT if minimum is None else 0
        self.register_buffer("zero_point", torch.tensor(zero_point, dtype=torch.uint8))
        self.bias = bias

    def forward(self, states: Tensor) -> Tensor:
        """Map float32 [..., in_features] to [..., out_features]."""
        inputs, outputs = self.weight.shape
        rows, scale, zero_point = self._scaled(states.reshape(-1, inputs))
        quantized = torch.onnx.ops.symbolic(
            "QuantizeLinear",
            (rows, scale, zero_point),
            attrs={"axis": 0},
            dtype=torch.uint8,
            shape=rows.shape,
        )
        product = torch.onnx.ops.symbolic(
            "com.microsoft::MatMulIntegerToFloat",
            (quantized, self.weight, self.one, self.scale, self.zero_point),
            dtype=torch.float32,
            shape=(rows.shape[0], outputs),
            version=1,
        )
        result = product * scale[:, None]
        if self.bias is not None:
            result = result + self.bias
        return result.reshape(*states.shape[:-1], outputs)

    def _scaled(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the states to quantize, and the scale and the zero point of each row."""
        if self.smoothing is not None:
            rows = rows * self.smoothing
        if self.minimum is None:
            scale = _scale(torch.maximum(rows.amax(1), -rows.amin(1)))
            zero_point = ZERO_POINT
        else:
            rows = rows - self.minimum
            scale = _scale(rows.amax(1), SHIFTED_QMAX)
            zero_point = 0
        # Computed from the scales instead of their count, so that hoisting can trim both.
        return rows, scale, scale.clamp(zero_point, zero_point).to(torch.uint8)


class Int8Embedding(nn.Module):
    """An int8 table with one scale per row."""

    weight: Tensor
    scale: Tensor

    def __init__(self, embedding: nn.Embedding) -> None:
        """Quantize the vectors that `embedding`, of any subclass, returns for its ids."""
        super().__init__()
        rows, scales = [], []
        with torch.no_grad():
            for ids in torch.arange(embedding.num_embeddings).split(ROWS_PER_CHUNK):
                vectors = embedding(ids)
                scale = _scale(vectors.abs().amax(1))[:, None]
                rows.append(torch.round(vectors / scale).to(torch.int8))
                scales.append(scale)
        self.register_buffer("weight", torch.cat(rows))
        self.register_buffer("scale", torch.cat(scales))

    def forward(self, ids: Tensor) -> Tensor:
        """Return float32 [..., size] for int64 [...]."""
        scale = nn.functional.embedding(ids, self.scale)
        return nn.functional.embedding(ids, self.weight).to(scale.dtype) * scale


def quantize(transformer: nn.Module, inputs: Sequence[LayerInput] = ()) -> None:
    """Replace every linear layer and the token table of `transformer`, in place.

    Args:
        transformer: The module.
        inputs: The inputs of its linear layers on calibration texts. Layers that are not among
            them are neither smoothed nor shifted.
    """
    quantized = {layer: each for found in inputs for layer, each in _quantized(found).items()}
    vocab_size = cast(Any, transformer).config.vocab_size
    for parent in list(transformer.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, quantized.get(child) or Int8Linear(child))
            elif isinstance(child, nn.Embedding) and child.num_embeddings == vocab_size:
                setattr(parent, name, Int8Embedding(child))


def _quantized(found: LayerInput) -> dict[nn.Linear, Int8Linear]:
    """Return the quantized layers of an input, by the layer that each replaces."""
    if found.minimum >= MIN_ACTIVATION and found.absmax.max() > MIN_SKEW * -found.minimum:
        return {layer: Int8Linear(layer, minimum=found.minimum) for layer in found.layers}
    with torch.no_grad():
        weights = torch.stack([layer.weight.abs().amax(0) for layer in found.layers]).amax(0)
        ranges = found.absmax.clamp(min=MIN_RANGE) ** SMOOTHING
        smoothing = weights.clamp(min=MIN_RANGE) ** (1 - SMOOTHING) / ranges
    # The same tensor for all, so that the states are multiplied once.
    return {layer: Int8Linear(layer, smoothing) for layer in found.layers}


def _scale(absmax: Tensor, qmax: int = QMAX) -> Tensor:
    return absmax.clamp(min=MIN_SCALE) / qmax
