from __future__ import annotations

import asyncio
import logging
import os
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from testing.ports import free_ports
from testing.stub_repository import write_stub_model
from testing.triton_admin import FakeTriton, ScriptedProbe
from testing.waiting import eventually_async
from triton_embed.contract.spec import ModelSpec
from triton_embed.serve import probe, supervisor
from triton_embed.serve.errors import ServeError, TritonError
from triton_embed.serve.installation import Installation
from triton_embed.serve.probe import ProbeResult
from triton_embed.serve.run_files import RunFiles
from triton_embed.serve.settings import Settings
from triton_embed.serve.stubs import StubWatcher
from triton_embed.serve.supervisor import Supervisor

HEALTHY = ProbeResult()
SERVER_FAILS = ProbeResult("it does not respond: connection reset")
TINY_FAILS = ProbeResult(models={"tiny": "tiny_encoder: connection reset"})

RUN_ID = "5e90d6b62a77"

Start = Callable[..., Supervisor]
Run = Callable[[Supervisor], asyncio.Task[None]]


@pytest.fixture
def supervisor_of(
    tmp_path: Path,
    stub_repository: Path,
    triton: FakeTriton,
    monkeypatch: pytest.MonkeyPatch,
) -> Start:
    """Return a function that makes a supervisor of a sleeping process, with scripted probes."""
    binary = tmp_path / "tritonserver"
    binary.write_text("#!/bin/sh\nexec sleep 600\n")
    binary.chmod(0o755)
    monkeypatch.setattr(probe, "PROBE_INTERVAL", 0.01)
    (port,) = free_ports(1)

    def make(
        scripted: ScriptedProbe,
        backends: Mapping[str, Path] = MappingProxyType({}),
        *,
        wait_for_models: bool = False,
    ) -> Supervisor:
        installation = Installation(binary, backends, (), (), bundled=False)
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        settings = Settings(
            model_repository=stub_repository,
            gateway=False,
            status_port=port,
            wait_for_models=wait_for_models,
        )
        return Supervisor(settings, installation, RunFiles(RUN_ID, folder), triton, scripted)

    return make


@pytest.fixture
async def run() -> AsyncIterator[Run]:
    """Return a function that runs a supervisor until the test ends."""
    tasks: list[asyncio.Task[None]] = []

    def start(supervisor: Supervisor) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(supervisor.run()))
        return tasks[-1]

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def models_in(repository: Path) -> list[Path]:
    """Return the folders of the Triton models, the ensembles last, as they are installed."""
    folders = [path for path in repository.iterdir() if path.is_dir()]
    return sorted(folders, key=lambda path: "_" in path.name, reverse=True)


async def logged(text: str, log: pytest.LogCaptureFixture, task: asyncio.Task[None]) -> None:
    """Wait until `text` is logged; raise the error of a supervisor that ends before."""

    async def found() -> bool:
        if task.done():
            await task
        return text in log.text

    await eventually_async(found, message=f"'{text}' is logged", ignored=())


@pytest.mark.parametrize("failure", [SERVER_FAILS, TINY_FAILS], ids=["server", "one step"])
async def test_triton_that_dies_again_after_its_restart_is_restarted_again(
    supervisor_of: Start,
    run: Run,
    caplog: pytest.LogCaptureFixture,
    failure: ProbeResult,
) -> None:
    caplog.set_level(logging.INFO, "serve")
    scripted = ScriptedProbe(HEALTHY, SERVER_FAILS, SERVER_FAILS, failure)
    await logged("Triton restarted", caplog, run(supervisor_of(scripted)))
    assert "trying again in" in caplog.text


async def test_step_that_ends_again_while_it_is_loaded_does_not_restart_triton(
    supervisor_of: Start,
    run: Run,
    triton: FakeTriton,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.INFO, "serve")
    watchers: list[StubWatcher] = []

    def watcher(ended: Callable[[str], None]) -> StubWatcher:
        watchers.append(StubWatcher(ended, lambda: {}))
        return watchers[-1]

    monkeypatch.setattr(supervisor, "StubWatcher", watcher)
    task = run(supervisor_of(ScriptedProbe()))
    await logged("is ready", caplog, task)
    load, failures = triton.load, 1

    async def failing_load(model: str, config: str | None = None) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise TritonError("Stub process 'tiny_encoder_0_0' is not healthy.", "INTERNAL")
        await load(model, config)

    monkeypatch.setattr(triton, "load", failing_load)
    watchers[0]._ended("tiny_encoder")
    await logged("tiny_encoder loaded again", caplog, task)
    assert "restarting it" not in caplog.text


async def test_triton_that_dies_at_the_first_start_ends_the_service(supervisor_of: Start) -> None:
    with pytest.raises(ServeError, match="has loaded the models, but it does not respond"):
        await supervisor_of(ScriptedProbe(SERVER_FAILS)).run()


async def test_triton_that_is_too_old_ends_the_service_before_a_model_is_loaded(
    supervisor_of: Start, triton: FakeTriton, tmp_path: Path
) -> None:
    backend = tmp_path / "onnxruntime"
    backend.mkdir()
    (backend / "libtriton_onnxruntime.so").touch()
    triton.server_version = "2.52.0"
    with pytest.raises(ServeError, match=r"Triton 2\.52\.0"):
        await supervisor_of(ScriptedProbe(), {"onnxruntime": backend}).run()
    assert triton.requests == []


async def test_service_is_announced_once_a_dead_triton_responds_again(
    supervisor_of: Start,
    run: Run,
    triton: FakeTriton,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "serve")
    triton.failing_listings = 2
    await logged("triton-embed is ready", caplog, run(supervisor_of(ScriptedProbe())))
    assert "serving tiny" in caplog.text


async def test_signal_stops_the_service_and_is_logged_last(
    supervisor_of: Start, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "serve")
    task = run(supervisor_of(ScriptedProbe()))
    await logged("triton-embed is ready", caplog, task)
    os.kill(os.getpid(), signal.SIGINT)
    await task
    assert caplog.messages[-2:] == ["stopping", "stopped"]


async def test_announcement_lists_the_models_that_are_not_served(
    supervisor_of: Start,
    run: Run,
    stub_repository: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "serve")
    write_stub_model(stub_repository, ModelSpec("Torn", 64, 30522, 32))
    (stub_repository / "torn_tokenizer" / "1" / "tokenizer.json").unlink()
    summary = f"serving tiny from {stub_repository}; not served because of the errors above: Torn"
    await logged(summary, caplog, run(supervisor_of(ScriptedProbe())))


async def test_empty_repository_waits_for_the_first_model(
    supervisor_of: Start,
    run: Run,
    stub_repository: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "serve")
    moved = [
        (path, path.rename(stub_repository.parent / path.name))
        for path in models_in(stub_repository)
    ]
    task = run(supervisor_of(ScriptedProbe(), wait_for_models=True))
    await logged("waiting for an export: triton-embed export", caplog, task)
    for path, elsewhere in moved:
        elsewhere.rename(path)
    await logged("serving tiny", caplog, task)


async def test_triton_starts_once_an_export_has_created_the_repository(
    supervisor_of: Start, run: Run, stub_repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    elsewhere = stub_repository.rename(stub_repository.with_name("elsewhere"))
    task = run(supervisor_of(ScriptedProbe(), wait_for_models=True))
    await logged("waiting for an export", caplog, task)
    assert "starting Triton" not in caplog.text
    elsewhere.rename(stub_repository)
    await logged("serving tiny", caplog, task)


async def test_model_that_fails_single_probes_does_not_restart_triton(
    supervisor_of: Start,
    run: Run,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scripted = ScriptedProbe(HEALTHY, TINY_FAILS, HEALTHY, TINY_FAILS, HEALTHY, HEALTHY)
    run(supervisor_of(scripted))

    async def all_probed() -> bool:
        return not scripted.results

    await eventually_async(all_probed, message="all probes are made")
    assert "restarting" not in caplog.text


async def test_shared_memory_of_an_ended_triton_is_removed(supervisor_of: Start) -> None:
    segment = Path("/dev/shm", f"triton_embed_{RUN_ID}_left")
    supervisor = supervisor_of(ScriptedProbe(SERVER_FAILS))
    segment.touch()
    with pytest.raises(ServeError):
        await supervisor.run()
    assert not segment.exists()
