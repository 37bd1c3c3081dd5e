"""Facts for a check: the service's addresses and the expected vectors.

Imported inside each client's own environment, so it imports only the standard library.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FACTS: dict[str, Any] = json.loads(Path(os.environ["LIVE_FACTS"]).read_text(encoding="utf-8"))

URL: str = FACTS["url"]
V1 = f"{URL}/v1"
GRPC: str = FACTS["grpc"]
MINILM: str = FACTS["minilm"]
ASYMMETRIC: str = FACTS["asymmetric"]
MATRYOSHKA: str = FACTS["matryoshka"]
DIMENSIONS: int = FACTS["dimensions"]
IMAGES: str = FACTS["images"]
FUSED: str = FACTS["fused"]
MODELS = {MINILM, ASYMMETRIC, MATRYOSHKA, IMAGES, FUSED}

QUERY: str = FACTS["query"]
PASSAGES: list[str] = FACTS["passages"]
IMAGE: str = FACTS["image"]
PAIR: str = FACTS["pair"]
LONG: str = FACTS["long"]
TOKENIZER: str = FACTS["tokenizer"]

OVER_LONG = "Input length 303 exceeds maximum allowed token size 256"
NO_DIMENSIONS = "This model does not support 'dimensions', but a value of '64' was provided."
NO_MODEL = "The model 'no/model' does not exist"
NO_INPUT_TYPE = "'input_type' parameter is required for asymmetric models"


def check(
    vectors: Sequence[Sequence[float]],
    texts: Sequence[str],
    model: str = MINILM,
    side: str = "passage",
) -> None:
    """Assert that `vectors` equal those of sentence-transformers, in the order of `texts`.

    Args:
        vectors: The client's result.
        texts: The client's input; `IMAGE` for `IMAGES` and `FUSED`, `PAIR` for `FUSED`.
        model: One of `MODELS`; for `MATRYOSHKA` the request had `DIMENSIONS`.
        side: ``query`` or ``passage``; they differ for `ASYMMETRIC` only.
    """
    assert len(vectors) == len(texts)
    for vector, text in zip(vectors, texts, strict=True):
        expected = FACTS["vectors"][model][side][text]
        assert len(vector) == len(expected)
        assert max(abs(a - b) for a, b in zip(vector, expected, strict=True)) < 1e-4, text
