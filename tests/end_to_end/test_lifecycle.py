"""Models are added, replaced and removed, and processes die, while the service runs."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from testing.checkpoints import tiny_checkpoint
from testing.repositories import copy_model
from testing.server import REQUEST_SECONDS, RunningServer
from testing.waiting import eventually
from triton_embed.cli import main
from triton_embed.export.exporter import export
from triton_embed.export.request import ExportRequest
from triton_embed.repository import config


@pytest.fixture
def tiny_service(own_tiny_repository: Path) -> Iterator[RunningServer]:
    with RunningServer(own_tiny_repository, triton_http=True) as running:
        yield running


def listed(service: RunningServer) -> set[str]:
    return {model["id"] for model in service.get("/v1/models").json()["data"]}


def vectors_once_loaded(
    service: RunningServer, model: str, texts: Sequence[str], **options: Any
) -> NDArray[np.float32]:
    """Embed `texts`; retry while the model is being loaded (503)."""

    def respond() -> httpx.Response | None:
        response = service.post(model=model, input=list(texts), **options)
        assert response.status_code in (200, 503), response.text
        return response if response.status_code == 200 else None

    response = eventually(respond, message=f"{model} is served", ignored=())
    return np.array([item["embedding"] for item in response.json()["data"]], np.float32)


def test_models_are_added_replaced_and_removed_while_serving(
    tiny_service: RunningServer, tmp_path: Path, minilm_folder: Path
) -> None:
    service = tiny_service
    first = tiny_checkpoint(tmp_path / "first", minilm_folder, pooling=("cls",))
    export(ExportRequest(str(first), service.repository, model_id="Me/Second_1.0"))
    service.wait_for("serving Me/Second_1.0")
    assert listed(service) == {"tiny", "Me/Second_1.0"}
    expected = SentenceTransformer(str(first), device="cpu").encode(["one", "two"])
    assert np.abs(service.vectors("Me/Second_1.0", ["one", "two"]) - expected).max() < 1e-4

    second = tiny_checkpoint(tmp_path / "second", minilm_folder, dense=16)
    export(ExportRequest(str(second), service.repository, model_id="Me/Second_1.0"))
    service.wait_for("loading me_second_1_0", times=2)
    expected = SentenceTransformer(str(second), device="cpu").encode(["one", "two"])

    def replaced() -> bool:
        vectors = vectors_once_loaded(service, "Me/Second_1.0", ["one", "two"])
        return vectors.shape[1] == 16 and bool(np.abs(vectors - expected).max() < 1e-4)

    eventually(replaced, message="the new version is served", ignored=())

    remove = ["remove", "Me/Second_1.0", "--model-repository", str(service.repository)]
    assert main(remove) == 0
    service.wait_for("unloading me_second_1_0_tokenizer")
    eventually(lambda: listed(service) == {"tiny"}, message="the removed model is not listed")
    assert service.post(model="Me/Second_1.0", input="a").status_code == 404

    assert main(["remove", "tiny", "--model-repository", str(service.repository)]) == 0
    response = eventually(
        lambda: refused if (refused := service.get("/v1/models")).status_code != 200 else None,
        message="an empty service lists no models",
    )
    assert response.status_code == 503
    assert response.json()["message"].startswith("There is no model yet")
    assert not [line for line in service.output if "cannot be" in line]


def test_model_without_its_direct_ensemble_is_served_by_its_entry(
    tiny_service: RunningServer,
) -> None:
    expected = tiny_service.vectors("tiny", ["hello"])
    shutil.rmtree(tiny_service.repository / "tiny_direct")
    tiny_service.wait_for("unloading tiny_direct")
    vectors = vectors_once_loaded(tiny_service, "tiny", ["hello"])
    assert np.abs(vectors - expected).max() < 1e-6


def test_broken_model_does_not_affect_the_others(own_tiny_repository: Path) -> None:
    for name in ("corrupt", "old", "second", "untokenizable"):
        copy_model(own_tiny_repository, name)
    for folder in own_tiny_repository.glob("old*"):
        old = config.read(folder)
        old.parameters["spec_version"].string_value = "0"
        config.write(folder, old)
    os.truncate(own_tiny_repository / "corrupt_encoder" / "1" / "model.onnx", 1000)
    (own_tiny_repository / "untokenizable_tokenizer" / "1" / "tokenizer.json").write_text("{}")
    with RunningServer(own_tiny_repository) as service:
        for name in ("corrupt", "untokenizable"):
            (error,) = (line for line in service.output if f"{name} cannot be served" in line)
            assert f"{name}_" in error
        (error,) = (line for line in service.output if "old is not served" in line)
        assert "export it again with 'triton-embed export CHECKPOINT --model-id old'" in error
        for name in ("corrupt", "old", "untokenizable"):
            response = service.post(model=name, input="a")
            assert response.status_code == 404
            assert response.json()["message"].startswith(f"The model '{name}' does not exist.")
        assert listed(service) == {"tiny", "second"}
        one, other = (service.vectors(name, ["a"]) for name in ("tiny", "second"))
        assert np.abs(one - other).max() < 1e-6


def test_replaced_model_never_mixes_old_and_new_steps(
    tiny_service: RunningServer, tmp_path: Path, minilm_folder: Path
) -> None:
    service = tiny_service
    old = service.vectors("tiny", ["one", "two"], input_type="query")
    # Both the tokenizer and the encoder change: another prompt, and another pooling.
    other = tiny_checkpoint(
        tmp_path / "other", minilm_folder, pooling=("cls",), prompts={"query": "search for: "}
    )
    reference = SentenceTransformer(str(other), device="cpu")
    new = reference.encode(["one", "two"], prompt_name="query")
    export(ExportRequest(str(other), service.repository, model_id="tiny"))

    def replaced() -> bool:
        vectors = vectors_once_loaded(service, "tiny", ["one", "two"], input_type="query")
        is_new = np.abs(vectors - new).max() < 1e-4
        assert is_new or np.abs(vectors - old).max() < 1e-6
        return bool(is_new)

    eventually(replaced, message="the new version is served", ignored=())


def test_added_model_that_fails_every_inference_does_not_affect_the_others(
    tiny_service: RunningServer, tmp_path: Path
) -> None:
    service = tiny_service
    new = tmp_path / "new"
    shutil.copytree(service.repository, new)
    copy_model(new, "broken")
    make_unusable(new / "broken_encoder" / "1" / "model.onnx")
    for folder in new.glob("broken*"):
        folder.rename(service.repository / folder.name)
    service.wait_for("broken failed its first inference")
    # Until its next refresh, the gateway treats the model as being loaded.
    eventually(
        lambda: service.post(model="broken", input="a").status_code == 404,
        message="the unloaded model is unknown",
    )
    assert service.post(model="tiny", input="a").status_code == 200
    assert not [line for line in service.output if "restarting" in line]


def make_unusable(path: Path) -> None:
    """Change an encoder so that it loads, but fails in every execution."""
    model = onnx.load(path)
    output = model.graph.output[0].name
    last = next(node for node in model.graph.node if output in node.output)
    last.output[:] = ["whole" if name == output else name for name in last.output]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, 5]), "odd"))
    model.graph.node.append(onnx.helper.make_node("Reshape", ["whole", "odd"], [output]))
    onnx.save(model, path)


def test_requests_on_this_machine_use_no_proxy(own_tiny_repository: Path) -> None:
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy"), "http://127.0.0.1:9")
    no_exception = {"no_proxy": "", "NO_PROXY": ""}
    with RunningServer(own_tiny_repository, environment={**nowhere, **no_exception}) as service:
        assert service.post(model="tiny", input="a").status_code == 200


def test_repository_path_may_contain_any_character(
    tmp_path: Path, own_tiny_repository: Path
) -> None:
    folder = own_tiny_repository.rename(tmp_path / "it's (my) models")
    with RunningServer(folder) as service:
        assert service.post(model="tiny", input="a").status_code == 200


@pytest.mark.parametrize(
    ("victim", "recovery"),
    [
        ("bin/tritonserver", "Triton restarted"),
        ("tiny_tokenizer", "tiny_tokenizer loaded again"),
        ("tiny_encoder", "tiny_encoder loaded again"),
    ],
)
async def test_service_recovers_from_a_killed_process(
    tiny_service: RunningServer, victim: str, recovery: str
) -> None:
    service = tiny_service
    expected = service.vectors("tiny", ["hello"])
    statuses: list[int] = []
    restarted = asyncio.Event()

    async def load(client: httpx.AsyncClient) -> None:
        while not restarted.is_set():
            response = await client.post(
                f"{service.url}/v1/embeddings", json={"model": "tiny", "input": "hello"}
            )
            statuses.append(response.status_code)
            if response.status_code != 200:
                assert response.status_code == 503, response.text
                assert int(response.headers["retry-after"]) >= 1
                assert response.json()["error"]["message"]

    service.kill(victim)
    async with httpx.AsyncClient(timeout=REQUEST_SECONDS) as client:
        clients = [asyncio.create_task(load(client)) for _ in range(8)]
        await asyncio.to_thread(service.wait_for, recovery)
        restarted.set()
        await asyncio.gather(*clients)
    assert any(status != 200 for status in statuses)
    vectors = vectors_once_loaded(service, "tiny", ["hello"])
    assert np.abs(vectors - expected).max() < 1e-6


def test_killed_gateway_is_restarted(tiny_service: RunningServer) -> None:
    tiny_service.kill("triton_embed gateway")
    tiny_service.wait_for("the gateway restarted")
    assert tiny_service.post(model="tiny", input="a").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_service_leaves_no_process_behind(own_tiny_repository: Path, number: int) -> None:
    with RunningServer(own_tiny_repository) as service:
        ends = [os.pidfd_open(pid) for pid in service.descendants("")]
        assert len(ends) >= 5
        assert service.stop(number) == 0
    for end in ends:
        assert select.select([end], [], [], 60)[0]
        os.close(end)
    with pytest.raises(httpx.ConnectError):
        httpx.get(service.url)


def test_clients_cannot_load_or_unload_models(tiny_service: RunningServer) -> None:
    with pytest.raises(Exception, match="restricted"):
        tiny_service.triton().unload_model("tiny")
    own = f"http://127.0.0.1:{tiny_service.http_port}/v2"
    for path in ("repository/index", "repository/models/tiny/unload", "logging"):
        assert "restricted" in httpx.post(f"{own}/{path}", json={}).text
    assert tiny_service.post(model="tiny", input="a").status_code == 200
