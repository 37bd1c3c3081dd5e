"""Linear layers and token tables in int8.

Weights have a scale for each output channel, states one for each token. A scale shared by several
tokens, as in ONNX Runtime's own dynamic quantisation, would make a vector depend on the texts that
it happens to be computed with.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

LARGEST = 127

MIDDLE = 128
"""The zero of states, which are uint8: processors multiply uint8 by int8."""

SMALLEST_SCALE = 1e-30

ROWS_AT_A_TIME = 8192
"""Of a token table; all of it in float32 would double the memory that an export needs."""


class Int8Linear(nn.Module):
    """A linear layer that multiplies in int8 and adds up in int32.

    The sizes of two neighbouring weights of a channel never exceed 128 together: x86 processors
    without VNNI instructions add their products with uint8 states in 16 bits, and saturate.
    """

    weight: Tensor
    scale: Tensor
    one: Tensor
    middle: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        """Quantise the weights of `linear`."""
        super().__init__()
        with torch.no_grad():
            size = linear.weight.abs()
            scale = _scale((size[:, 1:] + size[:, :-1]).amax(1))
            rounded = torch.round(linear.weight / scale[:, None])
        self.register_buffer("weight", rounded.to(torch.int8).t().contiguous())
        self.register_buffer("scale", scale)
        self.register_buffer("one", torch.tensor(1.0))
        self.register_buffer("middle", torch.tensor(MIDDLE, dtype=torch.uint8))
        self.bias = linear.bias

    def forward(self, states: Tensor) -> Tensor:
        """Map float32 [..., in_features] to [..., out_features]."""
        inputs, outputs = self.weight.shape
        rows = states.reshape(-1, inputs)
        scale = _scale(torch.maximum(rows.amax(1), -rows.amin(1)))
        # From the scales rather than from their number, so that it can be trimmed with them.
        middle = scale.clamp(MIDDLE, MIDDLE).to(torch.uint8)
        quantized = torch.onnx.ops.symbolic(
            "QuantizeLinear",
            (rows, scale, middle),
            attrs={"axis": 0},
            dtype=torch.uint8,
            shape=rows.shape,
        )
        product = torch.onnx.ops.symbolic(
            "com.microsoft::MatMulIntegerToFloat",
            (quantized, self.weight, self.one, self.scale, self.middle),
            dtype=torch.float32,
            shape=(rows.shape[0], outputs),
            version=1,
        )
        result = product * scale[:, None]
        if self.bias is not None:
            result = result + self.bias
        return result.reshape(*states.shape[:-1], outputs)


class Int8Embedding(nn.Module):
    """A table with a scale for each row."""

    weight: Tensor
    scale: Tensor

    def __init__(self, embedding: nn.Embedding) -> None:
        """Quantise what `embedding`, of any subclass, makes of each of its ids."""
        super().__init__()
        rows, scales = [], []
        with torch.no_grad():
            for ids in torch.arange(embedding.num_embeddings).split(ROWS_AT_A_TIME):
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


def _scale(largest: Tensor) -> Tensor:
    return largest.clamp(min=SMALLEST_SCALE) / LARGEST
