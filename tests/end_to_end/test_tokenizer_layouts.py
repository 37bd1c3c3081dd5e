"""Tokens and vectors from real Triton over HTTP equal the judge's recordings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer

from testing.checkpoints import edit_json, tiny_checkpoint
from testing.judge import Recording
from testing.layout_repository import Layouts
from testing.server import PATIENT, RunningServer
from testing.tokenizer_layouts import EXPORTED, TEXTS
from triton_embed.export.exporter import export
from triton_embed.export.request import ExportRequest

INSTRUCTOR = "tiny-instructor"
PROMPT = "Represent the question: "


@pytest.fixture(scope="module")
def instructor(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Path:
    """A checkpoint that does not pool its prompt."""
    folder = tmp_path_factory.mktemp("checkpoints") / INSTRUCTOR
    tiny_checkpoint(folder, minilm_folder, prompts={"query": PROMPT})
    edit_json(folder / "1_Pooling" / "config.json", include_prompt=False)
    return folder


@pytest.fixture(scope="module")
def served(layouts: Layouts, instructor: Path) -> Iterator[RunningServer]:
    """All exported layouts, and the model that does not pool its prompt."""
    for name in EXPORTED:
        layouts.exported(name)
    export(ExportRequest(str(instructor), layouts.repository))
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


def test_prompt_is_not_pooled_alone_and_among_texts_without_a_prompt(
    served: RunningServer, instructor: Path
) -> None:
    model = SentenceTransformer(str(instructor), device="cpu", local_files_only=True)
    texts = list(TEXTS)
    for input_type, prompt in (("query", PROMPT), ("passage", "")):
        expected = model.encode(texts, prompt=prompt)
        together = served.vectors(INSTRUCTOR, texts, input_type=input_type, truncate="END")
        assert np.abs(together - expected).max() < 1e-4
        ids = model.tokenizer([prompt + text for text in texts[:5]])["input_ids"]
        response = served.post(model=INSTRUCTOR, input=ids, input_type=input_type)
        tokens = [item["embedding"] for item in response.json()["data"]]
        assert np.abs(np.array(tokens, np.float32) - expected[:5]).max() < 1e-4
