from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from testing.triton_admin import FakeTriton, ScriptedProbe
from triton_embed.serve import probe
from triton_embed.serve.errors import TritonError
from triton_embed.serve.probe import Probe, ProbeResult, wait_unhealthy
from triton_embed.serve.stall import StallDetector

A_FAILS, B_FAILS = ProbeResult(models={"a": "a broke"}), ProbeResult(models={"b": "b broke"})
SERVER_FAILS, HEALTHY = ProbeResult("it does not respond"), ProbeResult()


@pytest.fixture
async def triton(stub_repository: Path) -> FakeTriton:
    triton = FakeTriton(stub_repository)
    await triton.load("tiny")
    return triton


async def test_probe_reports_a_healthy_model_as_such(triton: FakeTriton) -> None:
    assert await Probe(triton).run() == HEALTHY


@pytest.mark.parametrize("step", ["tiny", "tiny_postprocess"])
async def test_probe_reports_a_model_whose_inference_fails(triton: FakeTriton, step: str) -> None:
    triton.inference_errors[step] = TritonError("stub process is not healthy", "INTERNAL")
    expected = {"tiny": f"{step}: stub process is not healthy"}
    assert await Probe(triton).run() == ProbeResult(models=expected)
    assert await Probe(triton).run(["other"]) == HEALTHY


@pytest.mark.parametrize("status", ["NOT_FOUND", "INVALID_ARGUMENT"])
async def test_probe_treats_a_model_that_rejects_it_as_healthy(
    triton: FakeTriton, status: str
) -> None:
    triton.inference_errors["tiny"] = TritonError("rejected", status)
    assert await Probe(triton).run() == HEALTHY


async def test_probe_reports_a_triton_that_does_not_respond(triton: FakeTriton) -> None:
    triton.failing_listings = 1
    assert await Probe(triton).run() == ProbeResult("it does not respond: connection reset")


async def test_probe_reports_a_model_whose_step_is_stalled(triton: FakeTriton) -> None:
    stalled: list[tuple[str, ...]] = []

    class Stalled(StallDetector):
        async def wait(self, request: asyncio.Future[None], steps: Sequence[str]) -> bool:
            stalled.append(tuple(steps))
            return "tiny_encoder" not in steps

    result = await Probe(triton, Stalled(triton.execution_count)).run()
    assert result.models == {"tiny": "tiny has not responded for 120 s"}
    text_steps = ("tiny_tokenizer", "tiny_encoder", "tiny_postprocess")
    assert stalled == [("tiny_postprocess",), text_steps]


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        (HEALTHY, A_FAILS, None),
        (A_FAILS, HEALTHY, None),
        (A_FAILS, B_FAILS, None),
        (A_FAILS, A_FAILS, "a broke"),
        (A_FAILS, SERVER_FAILS, "it does not respond"),
        (SERVER_FAILS, A_FAILS, "a broke"),
        (SERVER_FAILS, SERVER_FAILS, "it does not respond"),
        (SERVER_FAILS, HEALTHY, None),
    ],
)
def test_probe_result_repeats_a_failure_of_the_same_model(
    before: ProbeResult, now: ProbeResult, reason: str | None
) -> None:
    assert now.repeats(before) == reason


async def test_failures_of_two_models_in_turn_do_not_restart_triton(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "PROBE_INTERVAL", 0)
    monkeypatch.setattr(probe, "CONFIRMATION_INTERVAL", 0)
    last = ProbeResult(models={"c": "c broke"})
    scripted = ScriptedProbe(A_FAILS, B_FAILS, A_FAILS, HEALTHY, B_FAILS, A_FAILS, last, last)
    assert await wait_unhealthy(scripted.run) == "c broke"
    assert not scripted.results
