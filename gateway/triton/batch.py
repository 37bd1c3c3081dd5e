"""The vectors of one request to Triton."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class EmbeddingBatch:
    """The response to one chunk of inputs.

    Attributes:
        vectors: [n, d] in the requested element type; [n] arrays of token ids, int32, for a job
            that only tokenizes.
        token_counts: Tokens of each input that the encoder processed, int32 [n].
    """

    vectors: NDArray[Any]
    token_counts: NDArray[np.int32]

    def __getitem__(self, inputs: slice) -> EmbeddingBatch:
        """Return the part of the response that belongs to some of the inputs."""
        return EmbeddingBatch(self.vectors[inputs], self.token_counts[inputs])

    @property
    def tokens(self) -> int:
        """Tokens over all inputs."""
        return int(self.token_counts.sum())
