"""Conversion of embeddings to other lengths and element types.

int8 is symmetric with one scale per model, so that dot products and cosines keep their order.
Binary follows sentence-transformers: bit = component > 0, most significant bit first; ``ubinary``
is the packed uint8, ``binary`` the same minus 128 as int8.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from triton_embed.contract.options import EmbeddingType, Options
from triton_embed.contract.spec import ModelSpec

Embeddings = NDArray[np.float32] | NDArray[np.int8] | NDArray[np.uint8]

MIN_NORM = 1e-12
"""Minimum length by which a truncated vector is divided: the default of torch's `normalize`."""


def convert(vectors: NDArray[np.float32], options: Options, spec: ModelSpec) -> Embeddings:
    """Return `vectors` [n, D] in the length and element type of `options`.

    Returns:
        float32, int8 or uint8 [n, length], or [n, D / 8] for the binary types. Without a
        conversion, `vectors` itself.

    Raises:
        InvalidRequest: the model does not support the options.
    """
    options = spec.validated_options(options)
    if options.dimensions is not None:
        return _truncate(vectors, options.dimensions)
    match options.embedding_type:
        case EmbeddingType.INT8:
            return _int8(vectors, spec)
        case EmbeddingType.UINT8:
            return (_int8(vectors, spec).astype(np.int16) + 128).astype(np.uint8)
        case EmbeddingType.BINARY:
            return (np.packbits(vectors > 0, axis=1).astype(np.int16) - 128).astype(np.int8)
        case EmbeddingType.UBINARY:
            return np.packbits(vectors > 0, axis=1)
    return vectors


def _truncate(vectors: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """Return the first components of `vectors`, normalized again."""
    head = vectors[:, :dimensions]
    return head / np.maximum(np.linalg.norm(head, axis=1, keepdims=True), MIN_NORM)


def _int8(vectors: NDArray[np.float32], spec: ModelSpec) -> NDArray[np.int8]:
    assert spec.int8_absmax is not None, "a spec that offers int8 has a range"
    return np.clip(np.rint(vectors * (127 / spec.int8_absmax)), -127, 127).astype(np.int8)
