"""Models that embed texts and images, served by a real Triton, each equal to its reference.

The forms of requests are those of docs/images.md.
"""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
import tritonclient.grpc as triton
from numpy.typing import NDArray

from testing.image_checkpoints import (
    clip_checkpoint,
    sentence_transformers_clip,
    siglip_checkpoint,
)
from testing.image_references import TwoTowers
from testing.images import bomb, data_url, encoded, picture
from testing.paths import ROOT
from testing.server import PATIENT, RunningServer
from testing.waiting import eventually
from triton_embed.backends.multimodal.decoder import MODULE
from triton_embed.cli import main
from triton_embed.contract.naming import triton_model_name

CHECKPOINTS = {
    "clip": clip_checkpoint,
    "siglip": siglip_checkpoint,
    "sentence-transformers-clip": sentence_transformers_clip,
}

PICTURES = [picture(80, 60, 1), picture(33, 200, 2), picture(64, 64, 3)]
FILES = [encoded(PICTURES[0]), encoded(PICTURES[1]), encoded(PICTURES[2])]
TEXTS = ["a cat", "Two dogs run across a field.", "x " * 200]
URL = data_url(FILES[0])


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("checkpoints")
    return {name: write(folder / name) for name, write in CHECKPOINTS.items()}


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, checkpoints: dict[str, Path]
) -> Iterator[RunningServer]:
    repository = tmp_path_factory.mktemp("images") / "repository"
    for folder in checkpoints.values():
        assert main(["export", str(folder), "--model-repository", str(repository)]) == 0
    with RunningServer(repository, environment=PATIENT) as running:
        yield running


@pytest.fixture(scope="module", params=CHECKPOINTS)
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def reference(model: str, checkpoints: dict[str, Path]) -> TwoTowers:
    folder = checkpoints[model]
    if model == "sentence-transformers-clip":
        return TwoTowers(folder / "0_CLIPModel", normalize=False)
    return TwoTowers(folder, padding_id=1 if model == "siglip" else None)


def post(served: RunningServer, **body: Any) -> httpx.Response:
    return httpx.post(f"{served.url}/v1/embeddings", json={"truncate": "END", **body}, timeout=120)


def embed(served: RunningServer, **body: Any) -> NDArray[np.float64]:
    response = post(served, **body)
    assert response.status_code == 200, response.text
    return np.array([item["embedding"] for item in response.json()["data"]])


def test_images_and_texts_of_one_request_equal_the_reference(
    served: RunningServer, model: str, reference: TwoTowers
) -> None:
    inputs = [TEXTS[0], data_url(FILES[0]), TEXTS[1], data_url(FILES[1]), TEXTS[2]]
    expected = [
        reference.text(TEXTS[0]),
        reference.image(PICTURES[0]),
        reference.text(TEXTS[1]),
        reference.image(PICTURES[1]),
        reference.text(TEXTS[2]),
    ]
    response = post(served, model=model, input=inputs)
    assert response.status_code == 200, response.text
    vectors = np.array([item["embedding"] for item in response.json()["data"]])
    assert np.abs(vectors - expected).max() < 1e-4
    assert response.json()["usage"]["num_images"] == 2
    # Each input alone is the same.
    alone = [embed(served, model=model, input=[each])[0] for each in inputs]
    assert np.abs(vectors - alone).max() < 1e-4


def test_images_differ_from_each_other(reference: TwoTowers) -> None:
    vectors = np.stack([reference.image(image) for image in PICTURES])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.triu(vectors @ vectors.T, 1).max() < 0.9


def test_image_is_accepted_in_every_form(
    served: RunningServer, model: str, reference: TwoTowers
) -> None:
    part = {"type": "image_url", "image_url": {"url": URL}}
    bodies: list[dict[str, Any]] = [
        {"input": [URL]},
        {"input": URL},
        {"input": [URL], "modality": "image"},
        {"input": [URL], "modality": ["image"], "input_type": "passage"},
        {"input": [URL], "input_type": ""},
        {"input": [f'<img src="{URL}" />']},
        {"input": [f"<img src='{URL}'/>"]},
        {"input": [data_url(FILES[0], "jpeg")]},
        {"input": ["data:image/png;base64," + base64.encodebytes(FILES[0]).decode()]},
        {"input": [[part]]},
        {"input": [{"content": [part]}], "encoding_format": "float"},
        {"input": [{"type": "image_url", "url": URL}]},
        {"messages": [{"role": "user", "content": [part]}], "stream": False, "max_tokens": 1},
    ]
    # NeMo Retriever's, whatever the content is; AIPerf's three forms, NVIDIA's sample, DeepInfra's.
    options = {"encoding_format": "float", "input_type": "passage", "truncate": "END"}
    bodies += [
        {"input": [URL], "modality": "image", **options},
        {"input": [URL], **options},
        {"input": [{"content": [part]}], "input_type": "", "modality": ["image"]},
        {"input": [[part]], "dimensions": None, "input_type": "passage"},
    ]
    expected = reference.image(PICTURES[0])
    for body in bodies:
        assert np.abs(embed(served, model=model, **body)[0] - expected).max() < 1e-4, body.keys()


def test_text_part_is_a_text_even_if_it_contains_a_data_url(
    served: RunningServer, model: str, reference: TwoTowers
) -> None:
    text = "data:image/png;base64,AAAA"
    vectors = embed(served, model=model, input=[[{"type": "text", "text": text}], "a cat"])
    assert np.abs(vectors - [reference.text(text), reference.text("a cat")]).max() < 1e-4


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (f"a cat {URL}", "does not support modality 'text_image'"),
        ("data:image/png;base64,AAAA", "neither a PNG nor a JPEG file"),
        (data_url(FILES[0][:200]), "cannot be decoded"),
        (data_url(encoded(PICTURES[0], "JPEG")[:700]), "cannot be decoded"),
        ([{"type": "image_url", "image_url": {"url": URL[:-4] + "-_-_"}}], "malformed"),
        (data_url(bytes(4_000_000)), "the maximum is 5000000"),
        ([{"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}], "data URL"),
        ([{"type": "audio"}], "a part must be"),
    ],
)
def test_unsuitable_image_is_rejected_with_its_place(
    served: RunningServer, model: str, item: Any, message: str
) -> None:
    response = post(served, model=model, input=["a cat", item])
    assert response.status_code == 400
    assert message in response.json()["message"]
    assert "input[1]" in response.json()["message"]


def test_large_pictures_in_small_files_are_embedded(served: RunningServer, model: str) -> None:
    assert np.isfinite(embed(served, model=model, input=[data_url(bomb(6000))])).all()


def test_options_apply_to_images(served: RunningServer, model: str, reference: TwoTowers) -> None:
    binary = embed(served, model=model, input=[URL, "a cat"], embedding_type="ubinary")
    vectors = np.stack([reference.image(PICTURES[0]), reference.text("a cat")])
    assert np.array_equal(binary, np.packbits(vectors > 0, axis=1))


def test_images_are_embedded_over_grpc(
    served: RunningServer, model: str, reference: TwoTowers
) -> None:
    with triton.InferenceServerClient(f"127.0.0.1:{served.grpc_port}") as client:
        text = triton.InferInput("text", [3, 1], "BYTES")
        text.set_data_from_numpy(np.array([["a cat"], [URL], [FILES[1]]], np.object_))
        result = client.infer(triton_model_name(model), [text])
    vectors = result.as_numpy("embeddings")
    images = [reference.image(each) for each in PICTURES[:2]]
    assert np.abs(vectors - [reference.text("a cat"), *images]).max() < 1e-4
    assert result.as_numpy("token_count").shape == (3, 1)


def test_concurrent_clients_of_mixed_kinds_get_their_own_vectors(
    served: RunningServer, model: str, reference: TwoTowers
) -> None:
    expected: dict[str, NDArray[np.float32]] = {text: reference.text(text) for text in TEXTS}
    for index, file in enumerate(FILES):
        expected[data_url(file)] = reference.image(PICTURES[index])
    kinds = list(expected)

    async def client(http: httpx.AsyncClient, number: int) -> None:
        for turn in range(3):
            inputs = [kinds[(number + turn + step) % len(kinds)] for step in range(1 + number % 4)]
            body = {"model": model, "input": inputs, "truncate": "END"}
            response = await http.post(f"{served.url}/v1/embeddings", json=body)
            assert response.status_code == 200, response.text
            vectors = [item["embedding"] for item in response.json()["data"]]
            assert np.abs(np.array(vectors) - [expected[each] for each in inputs]).max() < 1e-4

    async def run() -> None:
        async with httpx.AsyncClient(timeout=300, limits=httpx.Limits()) as http:
            await asyncio.gather(*(client(http, number) for number in range(32)))

    asyncio.run(run())


def test_killed_decoders_are_replaced(
    served: RunningServer, model: str, reference: TwoTowers
) -> None:
    children = psutil.Process(served.process.pid).children(recursive=True)
    decoders = [each for each in children if each.is_running() and MODULE in _command(each)]
    assert decoders
    for process in decoders:
        process.kill()
    for _ in range(5):
        vector = embed(served, model=model, input=[URL])[0]
        assert np.abs(vector - reference.image(PICTURES[0])).max() < 1e-4


@pytest.mark.parametrize("step", ["vision", "router"])
def test_killed_step_is_loaded_again_without_a_wrong_response(
    served: RunningServer, step: str, checkpoints: dict[str, Path]
) -> None:
    expected = TwoTowers(checkpoints["clip"]).image(PICTURES[0])
    children = psutil.Process(served.process.pid).children(recursive=True)
    stubs = [each for each in children if f" clip_{step}_" in f" {' '.join(_command(each))}"]
    assert stubs
    for stub in stubs:
        stub.kill()

    def is_served_again() -> bool:
        response = post(served, model="clip", input=[URL])
        assert response.status_code in (200, 503), response.text
        if response.status_code == 503:
            assert "retry-after" in response.headers
            return False
        vector = np.array(response.json()["data"][0]["embedding"])
        assert np.abs(vector - expected).max() < 1e-4
        return bool(served.logged(f"clip_{step} loaded again"))

    eventually(is_served_again, message=f"{step} is loaded again")


def _command(process: psutil.Process) -> list[str]:
    with suppress(psutil.NoSuchProcess):
        command: list[str] = process.cmdline()
        return command
    return []


def test_example_writes_the_hits_of_each_query(served: RunningServer, tmp_path: Path) -> None:
    page = tmp_path / "hits.html"
    flags = ["--url", served.url, "--model", "clip", "--query", "<b>", "--output", str(page)]
    command = [sys.executable, str(ROOT / "examples" / "image_search.py"), *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert done.stdout.endswith(f"wrote {page}\n")
    content = page.read_text()
    assert content.count("<figure>") == 6
    assert "<h2>&lt;b&gt;</h2>" in content


def test_model_states_its_modalities(served: RunningServer, model: str) -> None:
    listed = httpx.get(f"{served.url}/v1/models/{model}").json()
    assert listed["modalities"] == ["text", "image"]
