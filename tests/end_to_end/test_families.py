"""Models of every family, served by one Triton and one gateway, each equal to its reference."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer

from testing.families import CASES, Case
from testing.family_repository import Families
from testing.server import PATIENT, REQUEST_SECONDS, RunningServer
from triton_embed.contract.serialization import spec_from_parameters
from triton_embed.export.exporter import export
from triton_embed.export.parity.texts import SENTENCES
from triton_embed.export.request import ExportRequest

FINE_TUNED = "me/fine-tuned-MiniLM"
FINE_TUNED_PROMPTS = {"query": "ask: ", "document": "answer: "}


@pytest.fixture(scope="module")
def fine_tuned(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Path:
    """MiniLM's real weights with another head, as saved by sentence-transformers."""
    transformer = Transformer(str(minilm_folder))
    pooling = Pooling(transformer.get_embedding_dimension(), "cls")
    dense = Dense(pooling.get_embedding_dimension(), 96)
    model = SentenceTransformer(
        modules=[transformer, pooling, dense], prompts=FINE_TUNED_PROMPTS, device="cpu"
    )
    folder = tmp_path_factory.mktemp("fine_tuned")
    model.save(str(folder))
    return folder


@pytest.fixture(scope="module")
def served(families: Families, fine_tuned: Path) -> Iterator[RunningServer]:
    """All families and the fine-tuned MiniLM."""
    for name in CASES:
        families.exported(name)
    export(ExportRequest(str(fine_tuned), families.repository, model_id=FINE_TUNED))
    with RunningServer(families.repository, environment=PATIENT) as running:
        yield running


def texts_for(case: Case) -> list[str]:
    """Return texts of one token up to more than the model's limit."""
    return [
        "a",
        *(SENTENCES[index] for index in (1, 4, 9, 14, 19, 21)),
        "the encoder is the only thing " * 4,
        "The end of this text is truncated. " * case.max_tokens,
    ]


def input_types(case: Case) -> list[dict[str, str]]:
    """Return the options of a request that the model allows."""
    types = [{"input_type": "query"}, {"input_type": "passage"}]
    return types if case.query != case.passage else [*types, {}]


async def vectors(
    client: httpx.AsyncClient, model: str, texts: Sequence[str], options: dict[str, str]
) -> NDArray[np.float32]:
    body: dict[str, Any] = {"model": model, "input": list(texts), "truncate": "END", **options}
    response = await client.post("/v1/embeddings", json=body)
    assert response.status_code == 200, response.text
    return np.array([item["embedding"] for item in response.json()["data"]], np.float32)


@pytest.mark.parametrize("name", CASES)
async def test_vectors_of_each_family_equal_its_reference(
    served: RunningServer, families: Families, name: str
) -> None:
    case, types = CASES[name], input_types(CASES[name])
    texts = texts_for(case)
    prompts = [case.query, case.passage, case.plain][: len(types)]
    async with httpx.AsyncClient(base_url=served.url, timeout=REQUEST_SECONDS) as client:
        requests = [
            asyncio.gather(
                vectors(client, name, texts, options),
                *(vectors(client, name, [text], options) for text in texts),
            )
            for options in types
        ]
        responses = await asyncio.gather(*requests)
    for expected, (batch, *alone) in zip(
        families.reference(name, texts, prompts), responses, strict=True
    ):
        assert np.abs(batch - expected).max() < 1e-4
        assert np.abs(np.concatenate(alone) - expected).max() < 1e-4


async def test_concurrent_requests_for_all_models_reach_their_model(
    served: RunningServer,
) -> None:
    async with httpx.AsyncClient(base_url=served.url, timeout=REQUEST_SECONDS) as client:
        requests = [
            (name, texts_for(case)[:8], options)
            for name, case in CASES.items()
            for options in input_types(case)
        ]
        alone = [await vectors(client, *request) for request in requests]
        together = await asyncio.gather(*(vectors(client, *request) for request in requests * 4))
    for expected, received in zip(alone * 4, together, strict=True):
        assert np.abs(expected - received).max() < 1e-5


def test_all_models_are_listed(served: RunningServer) -> None:
    assert served.model_ids() == {*CASES, FINE_TUNED}


@pytest.mark.parametrize("name", CASES)
def test_only_asymmetric_models_require_an_input_type(served: RunningServer, name: str) -> None:
    asymmetric = CASES[name].query != CASES[name].passage
    assert served.post(model=name, input="a").status_code == (400 if asymmetric else 200)


@pytest.mark.parametrize("name", CASES)
def test_each_model_has_its_own_token_limit(served: RunningServer, name: str) -> None:
    response = served.post(model=f"{name}-passage", input="and " * 3000)
    limit = f"exceeds maximum allowed token size {CASES[name].max_tokens}"
    assert response.json()["message"].endswith(limit)


@pytest.mark.parametrize("name", CASES)
def test_each_model_accepts_its_own_dimension(served: RunningServer, name: str) -> None:
    own = served.get(f"/v1/models/{name}").json()["dimension"]
    text, model = "Hello world", f"{name}-Passage"
    vectors = served.vectors(model, [text], dimensions=own)
    assert vectors.shape == (1, own)
    assert np.abs(vectors - served.vectors(model, [text])).max() < 1e-5


@pytest.mark.parametrize("dimensions", [7, 8])
@pytest.mark.parametrize("name", CASES)
def test_each_model_offers_its_own_dimensions(
    served: RunningServer, name: str, dimensions: int
) -> None:
    matryoshka = CASES[name].matryoshka
    offered = matryoshka == "any" or (matryoshka is not None and dimensions == 8)
    response = served.post(model=f"{name}-passage", input="a", dimensions=dimensions)
    assert response.status_code == (200 if offered else 400), response.text
    if offered:
        assert len(response.json()["data"][0]["embedding"]) == dimensions


def test_fine_tuned_minilm_with_prompts_cls_and_dense_equals_its_reference(
    served: RunningServer, fine_tuned: Path
) -> None:
    model = SentenceTransformer(str(fine_tuned), device="cpu", local_files_only=True)
    texts = [*SENTENCES[:6], "word " * 600]
    for input_type, prompt in (("query", "query"), ("passage", "document")):
        vectors = served.vectors(FINE_TUNED, texts, input_type=input_type, truncate="END")
        expected = model.encode(texts, prompt_name=prompt)
        assert expected.shape == (7, 96)
        assert np.abs(vectors - expected).max() < 1e-4


def test_asymmetric_fine_tuned_model_requires_an_input_type(served: RunningServer) -> None:
    response = served.post(model=FINE_TUNED, input="a")
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "input_type"


def test_manifest_lists_the_spec_of_each_model(served: RunningServer) -> None:
    specs = served.get("/v1/manifest").json()["models"]
    by_id = {spec["model_id"]: spec_from_parameters(spec) for spec in specs}
    for name, case in CASES.items():
        spec = by_id[name]
        assert (spec.prompt_query, spec.prompt_passage) == (case.query, case.passage)
        assert spec.max_tokens == case.max_tokens
        assert spec.dimension == (case.dense or (32,))[-1]
