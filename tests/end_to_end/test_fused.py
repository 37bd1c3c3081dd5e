"""Models whose language model reads images, on a real Triton, each equal to its reference.

The forms of requests are those of docs/images.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
from numpy.typing import NDArray
from PIL import Image

from testing.images import data_url, encoded, picture
from testing.mistral3_checkpoint import mistral3_checkpoint
from testing.mistral3_reference import Mistral3
from testing.nemotron_vl_checkpoint import SIZE, nemotron_vl_checkpoint
from testing.nemotron_vl_reference import NemotronVL
from testing.server import PATIENT, RunningServer
from triton_embed.cli import main
from triton_embed.contract.naming import triton_model_name

Reference = Mistral3 | NemotronVL

CHECKPOINTS: dict[str, Callable[[Path], Path]] = {
    "nemotron-vl": nemotron_vl_checkpoint,
    "mistral3": mistral3_checkpoint,
}
REFERENCES = {"nemotron-vl": NemotronVL, "mistral3": Mistral3}

PUBLIC, ALIAS = "Public/Name", "other"
"""The names of ``--served-model-name``."""

HOSTILE = {
    "nemotron-vl": "<img><IMG_CONTEXT><IMG_CONTEXT></img>",
    "mistral3": "[IMG][IMG_BREAK][IMG][IMG_END]",
}
"""Text that the checkpoint's tokenizer would read as an image."""

TOLERANCE = 1e-3

PICTURES = {
    "1 tile": picture(40, 44, 1),
    "2 tiles": picture(SIZE, 2 * SIZE, 2),
    "6 tiles": picture(96, 64, 3),
    "wide": picture(400, 30, 4),
    "narrow": picture(7, 300, 5),
}
TEXTS = ["a cat", "Two dogs run across a field.", "Über allen Gipfeln ist Ruh."]


def url(name: str) -> str:
    return data_url(encoded(PICTURES[name]))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {name: write(folder / name) for name, write in CHECKPOINTS.items()}


@pytest.fixture(scope="module", params=CHECKPOINTS)
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def reference(model: str, checkpoints: dict[str, Path]) -> Reference:
    reference: Reference = REFERENCES[model](checkpoints[model])
    return reference


class Served(NamedTuple):
    """A model of a running server.

    Attributes:
        server: The server.
        model: The name of its checkpoint.
    """

    server: RunningServer
    model: str

    @property
    def url(self) -> str:
        return self.server.url


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, checkpoints: dict[str, Path], model: str
) -> Iterator[Served]:
    """The model under other names than those of its steps."""
    repository = tmp_path_factory.mktemp("fused") / "repository"
    command = ["export", str(checkpoints[model]), "--model-repository", str(repository)]
    assert main(command) == 0
    flags = ("--served-model-name", f"{PUBLIC},{ALIAS}")
    with RunningServer(repository, flags, environment=PATIENT) as running:
        yield Served(running, model)


def post(served: Served, **body: Any) -> httpx.Response:
    body = {"model": PUBLIC, "input_type": "passage", **body}
    return httpx.post(f"{served.url}/v1/embeddings", json=body, timeout=120)


def embed(served: Served, **body: Any) -> NDArray[np.float64]:
    response = post(served, **body)
    assert response.status_code == 200, response.text
    return np.array([item["embedding"] for item in response.json()["data"]])


def test_texts_equal_the_reference(served: Served, reference: Reference) -> None:
    vectors = embed(served, input=TEXTS)
    assert np.abs(vectors - [reference.passage(text) for text in TEXTS]).max() < TOLERANCE
    vectors = embed(served, input=TEXTS, input_type="query")
    assert np.abs(vectors - [reference.query(text) for text in TEXTS]).max() < TOLERANCE


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("text", ["", TEXTS[1]])
def test_image_equals_the_reference(
    served: Served, reference: Reference, name: str, text: str
) -> None:
    response = post(served, input=[f"{text} {url(name)}" if text else url(name)])
    assert response.status_code == 200, response.text
    (item,) = response.json()["data"]
    expected = reference.passage(text, PICTURES[name])
    assert np.abs(np.array(item["embedding"]) - expected).max() < TOLERANCE
    usage = response.json()["usage"]
    assert usage["num_images"] == 1
    assert usage["prompt_tokens"] == reference.count(text, PICTURES[name])


def test_every_served_name_is_the_same_model(served: Served, reference: Reference) -> None:
    inputs = [TEXTS[0], url("1 tile"), f"{TEXTS[0]} {url('1 tile')}"]
    image = PICTURES["1 tile"]
    expected = [reference.passage(TEXTS[0]), reference.passage("", image)]
    expected.append(reference.passage(TEXTS[0], image))
    for name in (PUBLIC, ALIAS):
        vectors = embed(served, model=name, input=inputs)
        assert np.abs(vectors - expected).max() < TOLERANCE
    # The name of the checkpoint, which the router's steps still have, is not a public one.
    assert post(served, model=served.model, input=TEXTS).status_code == 404


def test_images_and_texts_change_vectors(reference: Reference) -> None:
    vectors = [reference.passage("", each) for each in PICTURES.values()]
    vectors += [reference.passage(TEXTS[1], each) for each in PICTURES.values()]
    products = np.stack(vectors) @ np.stack(vectors).T
    distances = np.sqrt(2 - 2 * np.minimum(products, 1))
    assert distances[~np.eye(len(vectors), dtype=bool)].min() > 0.1


def mixed(reference: Reference) -> dict[str, NDArray[np.float32]]:
    """Return inputs of all kinds, and their vectors."""
    expected: dict[str, NDArray[np.float32]] = {}
    for name, image in PICTURES.items():
        text = TEXTS[len(expected) % len(TEXTS)]
        expected[f"{text} {name}"] = reference.passage(f"{text} {name}")
        expected[url(name)] = reference.passage("", image)
        expected[f"{text}\n{url(name)}"] = reference.passage(text, image)
    return expected


def test_kinds_interleaved_in_one_request_equal_the_reference(
    served: Served, reference: Reference
) -> None:
    expected = mixed(reference)
    vectors = embed(served, input=list(expected))
    assert np.abs(vectors - list(expected.values())).max() < TOLERANCE


def test_kinds_are_embedded_over_grpc(served: Served, reference: Reference) -> None:
    expected = mixed(reference)
    with triton.InferenceServerClient(f"127.0.0.1:{served.server.grpc_port}") as client:
        text = triton.InferInput("text", [len(expected), 1], "BYTES")
        text.set_data_from_numpy(np.array([[each] for each in expected], np.object_))
        result = client.infer(
            triton_model_name(PUBLIC), [text], parameters={"input_type": "passage"}
        )
    vectors = result.as_numpy("embeddings")
    assert np.abs(vectors - list(expected.values())).max() < TOLERANCE
    counts = result.as_numpy("token_count").reshape(-1)
    assert counts[1] == reference.count("", PICTURES["1 tile"])


def test_concurrent_clients_of_mixed_kinds_get_their_own_vectors(
    served: Served, reference: Reference
) -> None:
    expected = mixed(reference)
    kinds = list(expected)

    async def client(http: httpx.AsyncClient, number: int) -> None:
        for turn in range(3):
            inputs = [kinds[(number + turn + step) % len(kinds)] for step in range(1 + number % 4)]
            body = {"model": PUBLIC, "input": inputs, "input_type": "passage"}
            response = await http.post(f"{served.url}/v1/embeddings", json=body)
            assert response.status_code == 200, response.text
            vectors = [item["embedding"] for item in response.json()["data"]]
            difference = np.abs(np.array(vectors) - [expected[each] for each in inputs])
            assert difference.max() < TOLERANCE

    async def run() -> None:
        async with httpx.AsyncClient(timeout=300, limits=httpx.Limits()) as http:
            await asyncio.gather(*(client(http, number) for number in range(32)))

    asyncio.run(run())


def test_forms_of_clients_equal_the_reference(served: Served, reference: Reference) -> None:
    image, text = url("1 tile"), TEXTS[0]
    parts = [
        {"type": "text", "text": text},
        {"type": "image_url", "image_url": {"url": image}},
    ]
    bodies: list[dict[str, Any]] = [
        # The request of NVIDIA's RAG blueprint.
        {"input": [f"{text} {image}"], "encoding_format": "float", "truncate": "END"},
        # NeMo Retriever.
        {"input": [f"{text}\n{image}"], "modality": "text_image"},
        {"input": [f"{text}\n{image}"], "modality": ["text_image"], "input_type": None},
        {"input": [f'{text} <img src="{image}" />']},
        {"input": [parts]},
        {"input": [{"content": parts[::-1]}], "input_type": None},
        {"messages": [{"role": "user", "content": parts}], "input_type": None, "stream": False},
        {"messages": [{"role": "document", "content": parts}], "input_type": None},
    ]
    expected = reference.passage(text, PICTURES["1 tile"])
    for body in bodies:
        assert np.abs(embed(served, **body)[0] - expected).max() < TOLERANCE, body


def test_markers_in_texts_are_text(served: Served, reference: Reference) -> None:
    hostile = HOSTILE[served.model]
    plain = embed(served, input=[f"a {hostile}", f"a {hostile} {url('1 tile')}", TEXTS[0]])
    # As special tokens, they would have the vectors of the checkpoint's tokenizer.
    assert np.abs(plain[0] - reference.passage(f"a {hostile}")).max() > 0.01
    assert np.abs(plain[2] - reference.passage(TEXTS[0])).max() < TOLERANCE
    other = embed(served, input=[f"a {hostile} {url('6 tiles')}"])[0]
    assert np.abs(plain[1] - other).max() > 0.01


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"input": [url("1 tile")], "input_type": "query"}, "images as passages only"),
        ({"input": ["a cat", f"{TEXTS[0]} {url('1 tile')}"], "input_type": "query"}, "passages"),
        ({"input": [f" {url('1 tile')}"], "modality": "text_image"}, "must be non-empty"),
        ({"input": [f"{'x ' * 300} {url('1 tile')}"]}, "exceeds maximum allowed token size 200"),
        ({"input": ["a cat", f"a {url('1 tile')} {url('1 tile')}"]}, "one image"),
        ({"input": [[0, 5, 602]]}, "stands for an image"),
    ],
)
def test_unsuitable_input_is_rejected(served: Served, body: dict[str, Any], message: str) -> None:
    response = post(served, **body)
    assert response.status_code == 400, response.text
    assert message in response.json()["message"]


def test_truncation_keeps_the_image(served: Served, reference: Reference) -> None:
    text = " ".join(f"word{number}" for number in range(200))
    image = PICTURES["6 tiles"]
    end = embed(served, input=[f"{text} {url('6 tiles')}"], truncate="END")[0]
    assert np.abs(end - reference.passage(text, image)).max() < TOLERANCE
    start = embed(served, input=[f"{text} {url('6 tiles')}"], truncate="START")[0]
    assert np.abs(start - end).max() > 0.01
    other = embed(served, input=[f"other {text} {url('6 tiles')}"], truncate="START")[0]
    assert np.abs(start - other).max() < 1e-5


def test_transparency_is_dropped_or_white_as_in_the_reference(
    served: Served, reference: Reference
) -> None:
    transparent = PICTURES["1 tile"].copy()
    transparent.putalpha(Image.new("L", transparent.size, 0))
    vector = embed(served, input=[data_url(encoded(transparent))])[0]
    # transformers puts images on a white background, NVIDIA's code drops transparency.
    white = Image.new("RGB", transparent.size, "white")
    seen = white if served.model == "mistral3" else PICTURES["1 tile"]
    assert np.abs(vector - reference.passage("", seen)).max() < TOLERANCE


def test_model_states_its_modalities(served: Served) -> None:
    listed = httpx.get(f"{served.url}/v1/models/{PUBLIC}").json()
    assert listed["modalities"] == ["text", "image", "text_image"]
