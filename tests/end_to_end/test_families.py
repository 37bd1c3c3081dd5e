"""Models of every family at once, through one Triton and one gateway, each as its reference."""

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
from testing.server import PATIENT, RunningServer
from triton_embed.contract.spec import ModelSpec
from triton_embed.export.exporter import export
from triton_embed.export.parity.texts import SENTENCES

FINE_TUNED = "me/fine-tuned-MiniLM"
FINE_TUNED_PROMPTS = {"query": "ask: ", "document": "answer: "}


@pytest.fixture(scope="module")
def fine_tuned(tmp_path_factory: pytest.TempPathFactory, minilm_folder: Path) -> Path:
    """MiniLM's real weights with another head, as sentence-transformers saves it."""
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
    export(str(fine_tuned), families.repository, model_id=FINE_TUNED)
    with RunningServer(families.repository, environment=PATIENT) as running:
        yield running


def texts_for(case: Case) -> list[str]:
    """Return texts of one token to more than the model takes."""
    return [
        "a",
        *(SENTENCES[index] for index in (1, 4, 9, 14, 19, 21)),
        "the encoder is the only thing " * 4,
        "The end of this one is cut. " * case.max_tokens,
    ]


def input_types(case: Case) -> list[dict[str, str]]:
    """Return the ways of asking for a vector that the model allows."""
    types = [{"input_type": "query"}, {"input_type": "passage"}]
    return types if case.query != case.passage else [*types, {}]


async def vectors(
    client: httpx.AsyncClient, model: str, texts: Sequence[str], options: dict[str, str]
) -> NDArray[np.float32]:
    body: dict[str, Any] = {"model": model, "input": list(texts), "truncate": "END", **options}
    answer = await client.post("/v1/embeddings", json=body)
    assert answer.status_code == 200, answer.text
    return np.array([item["embedding"] for item in answer.json()["data"]], np.float32)


@pytest.mark.parametrize("name", CASES)
async def test_every_family_is_served_as_its_reference_alone_and_in_company(
    served: RunningServer, families: Families, name: str
) -> None:
    case, types = CASES[name], input_types(CASES[name])
    texts = texts_for(case)
    prompts = [case.query, case.passage, case.plain][: len(types)]
    async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
        ways = [
            asyncio.gather(
                vectors(client, name, texts, options),
                *(vectors(client, name, [text], options) for text in texts),
            )
            for options in types
        ]
        answers = await asyncio.gather(*ways)
    for expected, (batch, *alone) in zip(
        families.reference(name, texts, prompts), answers, strict=True
    ):
        assert np.abs(batch - expected).max() < 1e-4
        assert np.abs(np.concatenate(alone) - expected).max() < 1e-4


async def test_requests_for_all_models_at_once_are_answered_by_the_right_one(
    served: RunningServer,
) -> None:
    async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
        asked = [
            (name, texts_for(case)[:8], options)
            for name, case in CASES.items()
            for options in input_types(case)
        ]
        alone = [await vectors(client, *request) for request in asked]
        together = await asyncio.gather(*(vectors(client, *request) for request in asked * 4))
    for one, another in zip(alone * 4, together, strict=True):
        assert np.abs(one - another).max() < 1e-5


def test_all_models_are_listed(served: RunningServer) -> None:
    listed = served.get("/v1/models").json()["data"]
    assert {model["id"] for model in listed} == {*CASES, FINE_TUNED}


@pytest.mark.parametrize("name", CASES)
def test_every_model_has_its_own_limits(served: RunningServer, name: str) -> None:
    case = CASES[name]
    asymmetric = case.query != case.passage
    plain = served.post(model=name, input="a")
    assert plain.status_code == (400 if asymmetric else 200)
    long = served.post(model=f"{name}-passage", input="and " * 3000)
    assert long.json()["message"].endswith(f"exceeds maximum allowed token size {case.max_tokens}")
    short = served.post(model=f"{name}-passage", input="a", dimensions=8)
    assert short.status_code == (400 if case.matryoshka is None else 200), short.text
    if case.matryoshka is not None:
        assert len(short.json()["data"][0]["embedding"]) == 8
    odd = served.post(model=f"{name}-passage", input="a", dimensions=7)
    assert odd.status_code == (200 if case.matryoshka == "any" else 400)


def test_a_fine_tuned_minilm_with_prompts_cls_and_dense_is_served_as_it_was_saved(
    served: RunningServer, fine_tuned: Path
) -> None:
    model = SentenceTransformer(str(fine_tuned), device="cpu", local_files_only=True)
    texts = [*SENTENCES[:6], "word " * 600]
    for input_type, prompt in (("query", "query"), ("passage", "document")):
        answered = served.vectors(FINE_TUNED, texts, input_type=input_type, truncate="END")
        expected = model.encode(texts, prompt_name=prompt)
        assert expected.shape == (7, 96)
        assert np.abs(answered - expected).max() < 1e-4
    # Nobody knows which of the two an input of no type is meant to be.
    refused = served.post(model=FINE_TUNED, input="a")
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "input_type"


def test_each_card_is_that_of_its_model(served: RunningServer) -> None:
    specs = served.get("/v1/manifest").json()["models"]
    by_id = {spec["model_id"]: ModelSpec.from_parameters(spec) for spec in specs}
    for name, case in CASES.items():
        spec = by_id[name]
        assert (spec.prompt_query, spec.prompt_passage) == (case.query, case.passage)
        assert spec.max_tokens == case.max_tokens
        assert spec.dimension == (case.dense or (32,))[-1]
