"""The quantities of the parity gate, computed from two sets of vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sentence_transformers.util import cos_sim, pairwise_cos_sim
from sklearn.metrics import ndcg_score

Vectors = NDArray[np.float32]
"""float32 [texts, dimension]."""

SEARCH_DEPTH = 10
"""Results of one search that count: the k of nDCG@k, as in MTEB's main metric for retrieval."""


def max_absolute_error(vectors: Vectors, expected: Vectors) -> float:
    """Return the maximum difference of one component."""
    return float(np.abs(vectors - expected).max())


def min_cosine(vectors: Vectors, expected: Vectors) -> float:
    """Return the minimum cosine between a vector and its reference."""
    return float(
        pairwise_cos_sim(vectors.astype(np.float64), expected.astype(np.float64)).numpy().min()
    )


def batch_deviation(alone: Vectors, batched: Vectors) -> float:
    """Return the maximum difference of one component, relative to the length of its vector."""
    lengths = np.linalg.norm(alone, axis=1, keepdims=True)
    return float((np.abs(alone - batched) / lengths).max())


def retrieval(vectors: Vectors, expected: Vectors) -> float:
    """Return the mean nDCG of searches with each text among the others; see `gate.Parity`.

    Returns:
        At most 1; NaN if a component of `vectors` is not finite.
    """
    if not np.isfinite(vectors).all():
        return float("nan")
    others = ~np.eye(len(vectors), dtype=bool)
    scores, gains = (
        cos_sim(item, item).numpy()[others].reshape(len(vectors), -1)
        for item in (vectors, expected)
    )
    return float(ndcg_score(gains - gains.min(1, keepdims=True), scores, k=SEARCH_DEPTH))
