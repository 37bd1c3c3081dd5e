"""Tokens and vectors from real Triton over HTTP equal the judge's recordings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from testing.judge import Recording
from testing.layout_repository import Layouts
from testing.server import PATIENT, RunningServer
from testing.tokenizer_layouts import EXPORTED, TEXTS


@pytest.fixture(scope="module")
def served(layouts: Layouts) -> Iterator[RunningServer]:
    """All exported layouts."""
    for name in EXPORTED:
        layouts.exported(name)
    with RunningServer(layouts.repository, environment=PATIENT) as running:
        yield running


@pytest.mark.parametrize("name", EXPORTED)
def test_vectors_over_http_equal_the_judges(served: RunningServer, name: str) -> None:
    vectors = served.vectors(name, TEXTS, truncate="END")
    assert np.abs(vectors - Recording(name).vectors).max() < 1e-4


@pytest.mark.parametrize("truncate", ["END", "START"])
@pytest.mark.parametrize("name", EXPORTED)
def test_token_counts_over_http_equal_the_judges(
    served: RunningServer, name: str, truncate: str
) -> None:
    response = served.post(model=name, input=list(TEXTS), truncate=truncate)
    expected = sum(map(len, Recording(name).token_ids(truncate)))
    assert response.json()["usage"]["prompt_tokens"] == expected


@pytest.mark.parametrize("name", EXPORTED)
def test_texts_embed_like_the_judges_token_ids(served: RunningServer, name: str) -> None:
    recording = Recording(name)
    for truncate in ("END", "START"):
        texts = served.vectors(name, TEXTS, truncate=truncate)
        for text, ids in zip(texts, recording.token_ids(truncate), strict=True):
            response = served.post(model=name, input=[ids])
            vector = np.array(response.json()["data"][0]["embedding"], np.float32)
            assert np.abs(text - vector).max() < 1e-5
