"""A service under load that loses processes, its model repository and its models."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from benchmarks.checked_load import CheckedLoad, checked_requests
from benchmarks.killing import STEPS, Killer
from testing.repositories import copy_model
from testing.server import PATIENT, RunningServer
from testing.waiting import eventually
from triton_embed.cli import main


@pytest.fixture(scope="module")
def losing(
    tmp_path_factory: pytest.TempPathFactory, tiny_repository: Path
) -> Iterator[RunningServer]:
    """A service with the models `tiny` and `second`; each test leaves less of it."""
    repository = tmp_path_factory.mktemp("losing") / "repository"
    shutil.copytree(tiny_repository, repository)
    copy_model(repository, "second")
    with RunningServer(repository, environment=PATIENT) as running:
        yield running


async def test_killed_steps_are_loaded_again_without_a_wrong_response(
    losing: RunningServer, tiny_folder: Path
) -> None:
    requests = checked_requests(
        "tiny", tiny_folder, ["hello", "a longer text", "one more", "x" * 100]
    )
    async with CheckedLoad(losing.url, requests, rate=20) as load:
        killer = Killer(losing, load, "tiny")
        for step in STEPS:
            kill = await killer.kill(step)
            assert kill.unready_seconds is not None
    assert load.violations == []
    assert set(load.outcomes) == {"200", "503"}
    for step in STEPS:
        assert losing.logged(f"tiny_{step} loaded again")
    # Triton is not restarted: the other model stays served.
    assert not losing.logged("restarting")


def test_models_of_a_lost_repository_stay_served(losing: RunningServer) -> None:
    away = losing.repository.rename(losing.repository.with_name("away"))
    losing.wait_for("has disappeared; loaded models stay served", deadline_seconds=60)
    # The supervisor has probed the models since.
    probe = "nv_inference_request_success"
    before = losing.triton_metric(probe, "second")
    eventually(
        lambda: losing.triton_metric(probe, "second") > before + 1, message="two more probes"
    )
    assert not losing.logged("restarting")
    assert {losing.post(model=name, input="a").status_code for name in ("tiny", "second")} == {200}
    assert losing.get("/v1/health/ready").status_code == 200
    away.rename(losing.repository)


async def test_removed_model_finishes_its_requests_and_is_then_unknown(
    losing: RunningServer,
) -> None:
    expected = losing.vectors("second", ["hello"])
    lines = len(losing.output)
    responses: list[httpx.Response] = []

    async def load(client: httpx.AsyncClient) -> None:
        # More than one chunk, so that chunks are sent after the removal.
        body = {"model": "second", "input": ["hello", *["word " * 60] * 600]}
        while not responses or responses[-1].status_code == 200:
            responses.append(await client.post("/v1/embeddings", json=body))

    async with httpx.AsyncClient(base_url=losing.url, timeout=60) as client:
        clients = [asyncio.create_task(load(client)) for _ in range(4)]
        remove = ["remove", "second", "--model-repository", str(losing.repository)]
        assert main(remove) == 0
        await asyncio.gather(*clients)
    assert {response.status_code for response in responses} == {200, 404}
    for response in responses:
        if response.status_code == 200:
            vector = np.array(response.json()["data"][0]["embedding"], np.float32)
            assert np.abs(vector - expected[0]).max() < 1e-4
        else:
            message = "The model 'second' does not exist. Available models are: 'tiny'."
            assert response.json()["message"] == message
    await asyncio.to_thread(losing.wait_for, "unloading second_tokenizer")
    assert not [line for line in losing.output[lines:] if " ERROR " in line or " 503 " in line]


def test_last_removed_model_is_unknown(losing: RunningServer) -> None:
    assert main(["remove", "tiny", "--model-repository", str(losing.repository)]) == 0
    response = eventually(
        lambda: refused if (refused := losing.post(model="tiny", input="a")).is_error else None,
        message="the removed model is not served",
    )
    assert response.status_code == 404
    assert response.json()["message"] == "The model 'tiny' does not exist. No model is available."
    losing.wait_for("unloading tiny_tokenizer")
    assert losing.post(model="tiny", input="a").status_code == 404
    assert losing.get("/v1/health/ready").status_code == 503
