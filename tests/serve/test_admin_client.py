"""`serve.triton`: which models the probe takes for dead."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from tritonclient.utils import InferenceServerException

from triton_embed.contract.spec import ModelSpec
from triton_embed.serve import admin_client as triton

STEPS = ("m_tokenizer", "m_encoder", "m_postprocess")


class Queue:
    """Triton's gRPC while `ensemble` waits behind others; only the `working` steps finish any."""

    def __init__(self, *working: str) -> None:
        self._working = working
        self._finished = 0

    async def infer(self, model: str, *_: Any, **__: Any) -> None:
        if model == "m":
            await asyncio.sleep(0.5)

    async def get_inference_statistics(self, model: str) -> SimpleNamespace:
        self._finished += model in self._working
        return SimpleNamespace(model_stats=[SimpleNamespace(execution_count=self._finished)])


class BusyTriton(triton.AdminClient):
    def __init__(
        self, queue: Queue, steps: tuple[str, ...], run: triton.ServerInstance | None = None
    ) -> None:
        self._grpc = queue
        self._steps = steps
        self._run = run or triton.ServerInstance()

    async def models(self) -> dict[str, triton.ProbeTarget]:
        return {"m": triton.ProbeTarget(ModelSpec("m", 256, 1000, 32), self._steps)}


@pytest.mark.parametrize("steps", [STEPS, STEPS[:2]], ids=["full", "without postprocess"])
async def test_a_model_whose_encoder_works_on_is_busy_and_not_dead(
    steps: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(triton, "PROMPT_SECONDS", 0.0)
    assert await BusyTriton(Queue("m_encoder"), steps).failures() == {}
    stuck = BusyTriton(Queue("m_tokenizer", "m_postprocess"), steps)
    assert await stuck.failures() == {"m": "m has not answered for 0 s"}
    assert await stuck.failures(["other"]) == {}


IDLE, BUSY = "input()", "while True: pass"


@pytest.mark.parametrize(
    ("scripts", "dead"),
    [
        ({"--model-repository=m": IDLE, "m_encoder_0_0": BUSY}, False),
        ({"--model-repository=m": BUSY, "m_encoder_0_0": IDLE, "other_0_0": BUSY}, True),
        ({"--model-repository=m": BUSY}, False),
        ({"--model-repository=m": IDLE}, True),
    ],
    ids=["long execution", "others are busy", "long execution in C++", "dead"],
)
async def test_one_execution_may_take_longer_than_a_probe_waits(
    scripts: dict[str, str], dead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(triton, "PROMPT_SECONDS", 0.0)
    run = triton.ServerInstance()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", f"print(flush=True)\n{script}", run.memory_prefix, argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for argument, script in scripts.items()
    ]
    try:
        for process in processes:
            assert process.stdout and process.stdout.readline()
        assert bool(await BusyTriton(Queue("m_tokenizer"), STEPS, run).failures()) == dead
    finally:
        for process in processes:
            process.kill()
            process.communicate()


class Refusing(Queue):
    """Answers every question with a refusal of this status."""

    def __init__(self, status: str) -> None:
        super().__init__()
        self._status = status

    async def infer(self, model: str, *_: Any, **__: Any) -> None:
        raise InferenceServerException("no", f"StatusCode.{self._status}")


@pytest.mark.parametrize(
    ("status", "dead"), [("INTERNAL", True), ("NOT_FOUND", False), ("INVALID_ARGUMENT", False)]
)
async def test_a_model_that_refuses_is_alive_and_one_that_breaks_is_not(
    status: str, dead: bool
) -> None:
    failures = await BusyTriton(Refusing(status), STEPS).failures()
    assert failures == ({"m": "m_postprocess: no"} if dead else {})


class Unloading:
    """Triton's gRPC while ``m`` finishes its requests."""

    def __init__(self) -> None:
        self.states = ["UNLOADING", "UNLOADING", "UNAVAILABLE"]

    async def get_model_repository_index(self, **_: Any) -> SimpleNamespace:
        state = SimpleNamespace(name="m", state=self.states.pop(0))
        return SimpleNamespace(models=[state, SimpleNamespace(name="other", state="READY")])


async def test_a_model_is_drained_once_it_is_unloaded() -> None:
    client = object.__new__(triton.AdminClient)
    client._grpc, client._headers = Unloading(), {}
    await client.drain(["m"])
    assert not client._grpc.states
