"""Linear layers and token tables in int8.

Weights have one scale per output channel, states one per token. A scale shared by several tokens,
as in ONNX Runtime's own dynamic quantization, would make a vector depend on its batch mates.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

QMAX = 127
"""Maximum absolute value of a quantized number, symmetric around 0."""

ZERO_POINT = 128
"""Zero point of states, which are uint8 because processors multiply uint8 by int8."""

MIN_SCALE = 1e-30
"""Minimum scale, so that a row of zeros is not divided by 0."""

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

    def __init__(self, linear: nn.Linear) -> None:
        """Quantize the weights of `linear`."""
        super().__init__()
        with torch.no_grad():
            magnitude = linear.weight.abs()
            scale = _scale((magnitude[:, 1:] + magnitude[:, :-1]).amax(1))
            rounded = torch.round(linear.weight / scale[:, None])
        self.register_buffer("weight", rounded.to(torch.int8).t().contiguous())
        self.register_buffer("scale", scale)
        self.register_buffer("one", torch.tensor(1.0))
        self.register_buffer("zero_point", torch.tensor(ZERO_POINT, dtype=torch.uint8))
        self.bias = linear.bias

    def forward(self, states: Tensor) -> Tensor:
        """Map float32 [..., in_features] to [..., out_features]."""
        inputs, outputs = self.weight.shape
        rows = states.reshape(-1, inputs)
        scale = _scale(torch.maximum(rows.amax(1), -rows.amin(1)))
        # Computed from the scales instead of their count, so that hoisting can trim both.
        zero_point = scale.clamp(ZERO_POINT, ZERO_POINT).to(torch.uint8)
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


def quantize(transformer: nn.Module) -> None:
    """Replace every linear layer and the token table of `transformer`, in place."""
    vocab_size = cast(Any, transformer).config.vocab_size
    for parent in list(transformer.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, Int8Linear(child))
            elif isinstance(child, nn.Embedding) and child.num_embeddings == vocab_size:
                setattr(parent, name, Int8Embedding(child))


def _scale(absmax: Tensor) -> Tensor:
    return absmax.clamp(min=MIN_SCALE) / QMAX
