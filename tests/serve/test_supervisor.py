"""`serve.supervisor`: what becomes of the service when Triton dies at a bad moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from pathlib import Path

import pytest
from tritonclient.utils import InferenceServerException

from triton_embed.contract.spec import ModelSpec
from triton_embed.gateway.settings import parse
from triton_embed.serve import admin_client as triton
from triton_embed.serve import supervisor
from triton_embed.serve.errors import ServeError
from triton_embed.serve.installation import Installation
from triton_embed.serve.process import ProcessSpec, SupervisedProcess
from triton_embed.serve.settings import Settings
from triton_embed.serve.supervisor import Supervisor

DEAD = {"": "it does not answer: connection reset"}
SICK = {"tiny": "tiny_encoder: connection reset"}


class ScriptedTriton(triton.AdminClient):
    """Loads anything, and finds of one probe after the other what the test says.

    With ``dead_after`` it does not say what it serves the first so many times.
    """

    findings: list[dict[str, str]]
    dead_after: int

    def __init__(self, url: str, run: triton.ServerInstance) -> None:
        pass

    async def close(self) -> None:
        pass

    async def live(self) -> bool:
        return True

    async def load(self, model: str, config: str | None = None) -> None:
        pass

    async def unload(self, model: str) -> None:
        raise InferenceServerException("connection reset", "StatusCode.UNAVAILABLE")

    async def models(self) -> dict[str, triton.ProbeTarget]:
        if self.dead_after:
            type(self).dead_after -= 1
            raise InferenceServerException("connection reset", "StatusCode.UNAVAILABLE")
        return {"tiny": triton.ProbeTarget(ModelSpec("tiny", 256, 1000, 32), ("t", "e", "p"))}

    async def failures(self, among: Collection[str] | None = None) -> dict[str, str]:
        return self.findings.pop(0) if self.findings else {}


Start = Callable[..., Supervisor]


@pytest.fixture
def start(tmp_path: Path, own_tiny_repository: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Return what makes a supervisor of a Triton that is only a process."""
    binary = tmp_path / "tritonserver"
    binary.write_text("#!/bin/sh\nexec sleep 600\n")
    binary.chmod(0o755)
    monkeypatch.setattr(triton, "AdminClient", ScriptedTriton)
    monkeypatch.setattr(supervisor, "PROBE_SECONDS", 0.01)
    settings = Settings(model_repository=str(own_tiny_repository), gateway=False)

    def make(*findings: dict[str, str], dead_after: int = 0) -> Supervisor:
        ScriptedTriton.findings = list(findings)
        ScriptedTriton.dead_after = dead_after
        return Supervisor(settings, Installation(binary, {}, (), (), bundled=False))

    return make


async def said(text: str, log: pytest.LogCaptureFixture, service: asyncio.Task[None]) -> None:
    """Wait until the service has logged `text`, or has ended."""
    while text not in log.text and not service.done():
        await asyncio.sleep(0.01)
    if service.done():
        await service
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)


@pytest.mark.parametrize("death", [DEAD, SICK], ids=["all of it", "one step"])
async def test_a_triton_that_dies_of_its_models_when_restarted_is_restarted_again(
    start: Start, caplog: pytest.LogCaptureFixture, death: dict[str, str]
) -> None:
    caplog.set_level(logging.INFO, "serve")
    service = asyncio.create_task(start({}, DEAD, DEAD, death).run())
    await asyncio.wait_for(said("Triton is back", caplog, service), 30)
    assert "trying again in" in caplog.text


async def test_a_triton_that_dies_of_its_models_at_first_is_told_in_one_line(start: Start) -> None:
    with pytest.raises(ServeError, match="has loaded the models, but it does not answer"):
        await start(DEAD).run()


async def test_the_service_is_announced_once_a_triton_that_died_is_there_again(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "serve")
    service = asyncio.create_task(start(dead_after=2).run())
    await asyncio.wait_for(said("triton-embed is ready", caplog, service), 30)
    assert "serving tiny" in caplog.text


async def test_a_program_that_cannot_be_started_is_named() -> None:
    program = ProcessSpec(
        name="Triton",
        command=["/nowhere/tritonserver"],
        environment={},
        logger=None,
        noise=(),
        stop_seconds=1.0,
        until_ready=supervisor._never,
        until_sick=supervisor._never,
        clean_up=lambda: None,
    )
    with pytest.raises(ServeError, match="Triton cannot be started: "):
        await SupervisedProcess(program).start()


async def test_a_model_that_fails_one_probe_only_is_left_running(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    service = asyncio.create_task(start({}, SICK, {}, SICK, {}).run())
    while ScriptedTriton.findings and not service.done():
        await asyncio.sleep(0.01)
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)
    assert "restarting" not in caplog.text


def test_the_gateway_has_the_settings_that_it_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = {
        "drain_seconds": 7,
        "log_level": "debug",
        "log_jsonl": True,
        "otel": True,
        "tls_certificate": "c.pem",
        "tls_key": "k.pem",
    }
    monkeypatch.setattr(triton, "AdminClient", ScriptedTriton)
    installation = Installation(Path("tritonserver"), {}, (), (), bundled=False)
    program = Supervisor(Settings(port=9000, **shared), installation)._gateway()
    for name, value in program.environment.items():
        monkeypatch.setenv(name, value)
    settings = parse(program.command[3:])
    assert {name: getattr(settings, name) for name in shared} == shared
    assert (settings.port, settings.triton_url) == (9000, "127.0.0.1:8003")


async def test_a_triton_that_has_ended_leaves_no_shared_memory(start: Start) -> None:
    service = start(DEAD)
    left = Path("/dev/shm", f"{service._run.memory_prefix}left")
    left.touch()
    with pytest.raises(ServeError):
        await service.run()
    assert not left.exists()
