"""Runs an exported encoder on ragged batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnxruntime

from triton_embed.contract import tensors
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.parity.feed import Features, Row, as_requests, ragged_batch
from triton_embed.export.parity.metrics import Vectors


class Encoder:
    """An exported encoder.

    Args:
        session: The ONNX model.
        spec: The model's spec.
    """

    def __init__(self, session: onnxruntime.InferenceSession, spec: ModelSpec) -> None:
        self._session = session
        self._spec = spec

    def embed(
        self, requests: Sequence[Sequence[Row]], features: Sequence[Features] = ()
    ) -> Vectors:
        """Run the model once on all `requests` and return their vectors, in order.

        Args:
            requests: The rows of each request.
            features: The features of each row; empty: they are texts.
        """
        if self._spec.image_tokens and not features:
            features = [self.no_image] * sum(map(len, requests))
        feed = ragged_batch(requests, features)
        vectors: Vectors = self._session.run([tensors.EMBEDDINGS], feed)[0]
        return vectors

    def embed_in_batches(self, rows: Sequence[Row], batch_size: int) -> Vectors:
        """Return the vectors of texts, in batches of at most `batch_size`."""
        batches = [rows[start : start + batch_size] for start in range(0, len(rows), batch_size)]
        return np.concatenate([self.embed(as_requests(batch)) for batch in batches])

    @property
    def no_image(self) -> Features:
        """The features of a text."""
        return np.zeros((1, self._spec.feature_size), np.float32)
