"""Kills of processes of a running service, and what must be true afterwards."""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import httpx
import psutil

from benchmarks.checked_load import CheckedLoad
from testing.server import RunningServer
from testing.waiting import eventually_async
from triton_embed.contract.naming import triton_model_name

STEPS = ("tokenizer", "encoder", "postprocess")
TRITON, WORKER, GATEWAY, SUPERVISOR = "Triton", "gateway worker", "gateway", "supervisor"

HTTP_SERVERS = (WORKER, GATEWAY, SUPERVISOR)
"""Victims whose death closes clients' connections."""

COMMANDS = {
    TRITON: re.compile("bin/tritonserver "),
    WORKER: re.compile("spawn_main"),
    GATEWAY: re.compile("triton_embed gateway "),
}
"""Command line of each victim below the supervisor, except steps."""

RUN_ID = re.compile("triton_embed_[0-9a-f]{12}")
"""Start of the names of a run's files, in the command lines of its stubs."""

MAX_PAUSE_SECONDS = 1.0
"""Maximum pause in seconds between a recovery and the next kill."""

UNREADY_WAIT_SECONDS = 2.0
"""Time in seconds to wait for a 503 of the readiness: twice the maximum that is required."""

RECOVERY_SECONDS = 120.0
"""Time in seconds after which a service that is not ready does not recover."""

END_SECONDS = 20.0
"""Time in seconds for the processes of a killed supervisor to end."""


@dataclass(frozen=True)
class Kill:
    """A kill and the reaction of the service.

    Attributes:
        victim: The kind of process.
        unready_seconds: Time until the model was not ready; ``None``: it stayed ready.
        ready_seconds: Time until it was ready again, and a request that was sent later was served.
    """

    victim: str
    unready_seconds: float | None
    ready_seconds: float


STUB = "triton_python"
"""Start of the name of a stub's process, which the kernel cuts off."""


class Killer:
    """Kills processes of a service, one after the other.

    Args:
        service: The service.
        load: The requests that it gets meanwhile.
        model_id: The model whose steps are killed.

    Attributes:
        kills: The kills so far.
    """

    def __init__(self, service: RunningServer, load: CheckedLoad, model_id: str) -> None:
        stub, name = "triton_python_backend_stub .*", triton_model_name(model_id)
        self._commands = {
            **COMMANDS,
            **{step: re.compile(f"{stub} {name}_{step}_0_0( |$)") for step in STEPS},
        }
        self.kills: list[Kill] = []
        self._model_id = model_id
        self._service = service
        self._load = load
        self._random = random.Random(0)
        self._processes: dict[int, psutil.Process] = {}
        self._run_ids: set[str] = set()

    async def kill(self, victim: str) -> Kill:
        """Kill a process with SIGKILL, and wait until the service has recovered.

        Raises:
            AssertionError: It does not recover.
        """
        await self.settle()
        self._load.may_disconnect = victim in HTTP_SERVERS
        process = await asyncio.to_thread(self._find, victim)
        killed = monotonic()
        process.kill()
        if victim == SUPERVISOR:
            await self._start_again()
        unready = await self._unready_seconds(killed) if victim in (*STEPS, TRITON) else None
        await self._served_after(monotonic())
        self.kills.append(Kill(victim, unready, monotonic() - killed))
        return self.kills[-1]

    async def settle(self) -> None:
        """Wait until requests are served, and for a random pause."""
        await self._served_after(monotonic())
        await asyncio.sleep(self._random.uniform(0, MAX_PAUSE_SECONDS))
        self._load.may_disconnect = False

    def _find(self, victim: str) -> psutil.Process:
        supervisor = psutil.Process(self._service.process.pid)
        found = []
        for process in supervisor.children(recursive=True):
            with suppress(psutil.Error):
                command = " ".join(process.cmdline())
                self._run_ids.update(RUN_ID.findall(command))
                self._processes[process.pid] = process
                if victim != SUPERVISOR and self._commands[victim].search(command):
                    found.append(process)
        self._processes[supervisor.pid] = supervisor
        return supervisor if victim == SUPERVISOR else self._random.choice(found)

    async def _start_again(self) -> None:
        """Do what an init system does: wait for the end of the service, and start it again.

        A stub of Triton that was being started may outlive it; the next start ends it.
        """
        await eventually_async(
            self._is_ended,
            message="the processes of a killed supervisor end",
            deadline_seconds=END_SECONDS,
        )
        await asyncio.to_thread(self._service.start_again)

    async def _is_ended(self) -> bool:
        return all(STUB in process.name() for process in self._alive())

    def _alive(self) -> list[psutil.Process]:
        alive = []
        for process in self._processes.values():
            # is_running() compares the time of the start: the id may belong to another process.
            with suppress(psutil.Error):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    alive.append(process)
        return alive

    async def _unready_seconds(self, killed: float) -> float | None:
        while monotonic() - killed < UNREADY_WAIT_SECONDS:
            if not await self._is_ready():
                return monotonic() - killed
            await asyncio.sleep(0.005)
        return None

    async def _is_ready(self) -> bool:
        try:
            response = await self._load.client.get(
                "/v1/health/ready", params={"model": self._model_id}
            )
        except httpx.TransportError:
            return False
        return response.status_code == 200

    async def _served_after(self, time: float) -> None:
        async def is_served() -> bool:
            return self._load.served_at > time and await self._is_ready()

        await eventually_async(
            is_served, message="the service recovers", deadline_seconds=RECOVERY_SECONDS
        )

    def remains(self, temporary: Path) -> list[str]:
        """Return what is left of the stopped service.

        Args:
            temporary: The folder that it had for temporary files.
        """
        found = [f"process {process.pid} is left" for process in self._alive()]
        for run_id in sorted(self._run_ids):
            found += [f"{path} is left" for path in Path("/dev/shm").glob(f"{run_id}*")]
        return found + [f"{path} is left" for path in temporary.iterdir()]
