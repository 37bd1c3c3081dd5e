"""Models come and go and processes die while the service runs."""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from testing.checkpoints import tiny_checkpoint
from testing.server import RunningServer
from triton_embed.export.__main__ import main
from triton_embed.export.exporter import export


@pytest.fixture
def tiny_service(own_tiny_repository: Path) -> Iterator[RunningServer]:
    with RunningServer(own_tiny_repository) as running:
        yield running


def listed(service: RunningServer) -> set[str]:
    return {model["id"] for model in service.get("/v1/models").json()["data"]}


def until_served(service: RunningServer, model: str, **options: Any) -> NDArray[np.float32]:
    """Embed two words, again and again while the model is being loaded."""
    while (answer := service.post(model=model, input=["one", "two"], **options)).status_code != 200:
        assert answer.status_code == 503, answer.text
        time.sleep(0.05)
    return np.array([item["embedding"] for item in answer.json()["data"]], np.float32)


def test_models_are_added_replaced_and_removed_while_serving(
    tiny_service: RunningServer, tmp_path: Path, minilm_folder: Path
) -> None:
    service = tiny_service
    first = tiny_checkpoint(tmp_path / "first", minilm_folder, pooling=("cls",))
    export(str(first), service.repository, model_id="Me/Second_1.0")
    service.wait_for("serving Me/Second_1.0")
    assert listed(service) == {"tiny", "Me/Second_1.0"}
    expected = SentenceTransformer(str(first), device="cpu").encode(["one", "two"])
    assert np.abs(service.vectors("Me/Second_1.0", ["one", "two"]) - expected).max() < 1e-4

    second = tiny_checkpoint(tmp_path / "second", minilm_folder, dense=16)
    export(str(second), service.repository, model_id="Me/Second_1.0")
    service.wait_for("loading me_second_1_0", times=2)
    expected = SentenceTransformer(str(second), device="cpu").encode(["one", "two"])
    answered = until_served(service, "Me/Second_1.0")
    while answered.shape[1] != 16:
        answered = until_served(service, "Me/Second_1.0")
    assert np.abs(answered - expected).max() < 1e-4

    remove = ["remove", "Me/Second_1.0", "--model-repository", str(service.repository)]
    assert main(remove) == 0
    service.wait_for("unloading me_second_1_0_tokenizer")
    while "Me/Second_1.0" in listed(service):
        time.sleep(0.1)
    assert listed(service) == {"tiny"}
    assert service.post(model="Me/Second_1.0", input="a").status_code == 404

    assert main(["remove", "tiny", "--model-repository", str(service.repository)]) == 0
    while (answer := service.get("/v1/models")).status_code == 200:
        time.sleep(0.1)
    assert answer.status_code == 503
    assert answer.json()["message"].startswith("There is no model yet")
    assert not [line for line in service.output if "cannot be" in line]


def test_a_model_without_the_shorter_ensemble_is_served_by_the_full_one(
    tiny_service: RunningServer,
) -> None:
    expected = tiny_service.vectors("tiny", ["hello"])
    shutil.rmtree(tiny_service.repository / "tiny_float")
    tiny_service.wait_for("unloading tiny_float")
    answer = tiny_service.post(model="tiny", input=["hello"])
    while answer.status_code != 200:
        answer = tiny_service.post(model="tiny", input=["hello"])
    assert np.abs(answer.json()["data"][0]["embedding"] - expected).max() < 1e-6


def copy_model(repository: Path, name: str) -> None:
    """Add a copy of the model `tiny`."""
    for folder in list(repository.glob("tiny*")):
        copy = shutil.copytree(folder, repository / folder.name.replace("tiny", name, 1))
        config = copy / "config.pbtxt"
        config.write_text(config.read_text().replace('"tiny', f'"{name}'))


def test_a_broken_entry_does_not_take_the_others_down(own_tiny_repository: Path) -> None:
    for name in ("corrupt", "second", "untokenizable"):
        copy_model(own_tiny_repository, name)
    os.truncate(own_tiny_repository / "corrupt_encoder" / "1" / "model.onnx", 1000)
    (own_tiny_repository / "untokenizable_tokenizer" / "1" / "tokenizer.json").write_text("{}")
    with RunningServer(own_tiny_repository) as service:
        for name in ("corrupt", "untokenizable"):
            (told,) = (line for line in service.output if f"{name} cannot be served" in line)
            assert f"{name}_" in told
            refused = service.post(model=name, input="a")
            assert refused.status_code == 404
            assert refused.json()["message"].startswith(f"The model '{name}' does not exist.")
        assert listed(service) == {"tiny", "second"}
        one, other = (service.vectors(name, ["a"]) for name in ("tiny", "second"))
        assert np.abs(one - other).max() < 1e-6


def test_a_replaced_model_answers_with_its_old_steps_or_its_new_ones(
    tiny_service: RunningServer, tmp_path: Path, minilm_folder: Path
) -> None:
    service = tiny_service
    old = service.vectors("tiny", ["one", "two"], input_type="query")
    # Both the tokenizer and the encoder matter: another prompt, and another pooling.
    other = tiny_checkpoint(
        tmp_path / "other", minilm_folder, pooling=("cls",), prompts={"query": "search for: "}
    )
    reference = SentenceTransformer(str(other), device="cpu")
    new = reference.encode(["one", "two"], prompt_name="query")
    export(str(other), service.repository, model_id="tiny")
    answered = old
    while np.abs(answered - old).max() < 1e-6:
        answered = until_served(service, "tiny", input_type="query")
    assert np.abs(answered - new).max() < 1e-4


def test_a_model_that_embeds_nothing_does_not_take_the_others_down_when_it_is_added(
    tiny_service: RunningServer, tmp_path: Path
) -> None:
    service = tiny_service
    new = tmp_path / "new"
    shutil.copytree(service.repository, new)
    copy_model(new, "broken")
    make_unusable(new / "broken_encoder" / "1" / "model.onnx")
    for folder in new.glob("broken*"):
        folder.rename(service.repository / folder.name)
    service.wait_for("not serving it")
    for _ in range(10):
        assert service.post(model="tiny", input="a").status_code == 200
        time.sleep(0.2)
    assert not [line for line in service.output if "restarting" in line]


def make_unusable(path: Path) -> None:
    """Change an encoder so that it loads, but fails every time it is run."""
    model = onnx.load(path)
    output = model.graph.output[0].name
    last = next(node for node in model.graph.node if output in node.output)
    last.output[:] = ["whole" if name == output else name for name in last.output]
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1, 5]), "odd"))
    model.graph.node.append(onnx.helper.make_node("Reshape", ["whole", "odd"], [output]))
    onnx.save(model, path)


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(own_tiny_repository: Path) -> None:
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "grpc_proxy"), "http://127.0.0.1:9")
    unspared = {"no_proxy": "", "NO_PROXY": ""}
    with RunningServer(own_tiny_repository, environment={**nowhere, **unspared}) as service:
        assert service.post(model="tiny", input="a").status_code == 200


def test_a_repository_may_have_any_name(tmp_path: Path, own_tiny_repository: Path) -> None:
    folder = own_tiny_repository.rename(tmp_path / "it's (my) models")
    with RunningServer(folder) as service:
        assert service.post(model="tiny", input="a").status_code == 200


@pytest.mark.parametrize("victim", ["bin/tritonserver", "tiny_tokenizer", "tiny_encoder"])
async def test_after_a_kill_requests_fail_clearly_and_the_service_returns(
    tiny_service: RunningServer, victim: str
) -> None:
    service = tiny_service
    expected = service.vectors("tiny", ["hello"])
    statuses: list[int] = []
    returned = asyncio.Event()

    async def load(client: httpx.AsyncClient) -> None:
        while not returned.is_set():
            answer = await client.post(
                f"{service.url}/v1/embeddings", json={"model": "tiny", "input": "hello"}
            )
            statuses.append(answer.status_code)
            if answer.status_code != 200:
                assert answer.status_code in (500, 503), answer.text
                assert answer.json()["error"]["message"]

    service.kill(victim)
    async with httpx.AsyncClient(timeout=60) as client:
        clients = [asyncio.create_task(load(client)) for _ in range(8)]
        await asyncio.to_thread(service.wait_for, "Triton is back")
        returned.set()
        await asyncio.gather(*clients)
    assert any(status != 200 for status in statuses)
    answer = service.post(model="tiny", input=["hello"])
    while answer.status_code == 503:
        answer = service.post(model="tiny", input=["hello"])
    assert np.abs(answer.json()["data"][0]["embedding"] - expected).max() < 1e-6


def test_a_killed_gateway_comes_back(tiny_service: RunningServer) -> None:
    tiny_service.kill("-m gateway")
    tiny_service.wait_for("the gateway is back")
    assert tiny_service.post(model="tiny", input="a").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_nothing_behind(own_tiny_repository: Path, number: int) -> None:
    with RunningServer(own_tiny_repository) as service:
        ends = [os.pidfd_open(pid) for pid in service.descendants("")]
        assert len(ends) >= 5
        assert service.stop(number) == 0
    for end in ends:
        assert select.select([end], [], [], 10)[0]
        os.close(end)
    with pytest.raises(httpx.ConnectError):
        httpx.get(service.url)


def test_clients_may_not_load_or_unload_models(tiny_service: RunningServer) -> None:
    with pytest.raises(Exception, match="restricted"):
        tiny_service.triton().unload_model("tiny")
    own = f"http://127.0.0.1:{tiny_service.http_port}/v2"
    for path in ("repository/index", "repository/models/tiny/unload", "logging"):
        assert "restricted" in httpx.post(f"{own}/{path}", json={}).text
    assert tiny_service.post(model="tiny", input="a").status_code == 200
