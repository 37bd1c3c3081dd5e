from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from testing.ports import free_ports
from testing.waiting import eventually_async
from triton_embed.contract.status import STATUS_PATH, ModelState, PublishedModel, PublishedState
from triton_embed.gateway.triton import publication
from triton_embed.gateway.triton.publication import PublicationWatch

TRITON = "127.0.0.1:8001"
ONE = PublishedState(1, (PublishedModel("m", ModelState.READY),))
TWO = PublishedState(2)


class Supervisor:
    """Responds with bodies of a test.

    Attributes:
        port: Its port.
        bodies: The next responses; after the last, it never responds.
        generations: The generations that were sent to it.
    """

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self.bodies: list[str] = []
        self.generations: list[int] = []

    async def status(self, request: web.Request) -> web.Response:
        self.generations.append(int(request.query["after"]))
        if not self.bodies:
            await asyncio.Event().wait()
        return web.Response(text=self.bodies.pop(0))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get(STATUS_PATH, self.status)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield
        finally:
            await runner.cleanup()


@asynccontextmanager
async def watch_of(port: int) -> AsyncIterator[tuple[PublicationWatch, list[str]]]:
    """Make a watch, and the list of the addresses that it reports."""
    watch = PublicationWatch(port)
    changed: list[str] = []
    watch.changed = changed.append
    try:
        yield watch, changed
    finally:
        await watch.close()


async def reaches(watch: PublicationWatch, state: PublishedState | None) -> None:
    """Wait until the watch has this state of `TRITON`."""

    async def reached() -> bool:
        return watch.state(TRITON) == state

    await eventually_async(reached, message=f"the state is {state}")


async def test_watch_requests_each_next_generation() -> None:
    supervisor = Supervisor()
    supervisor.bodies = [ONE.to_json(), TWO.to_json()]
    async with supervisor.running(), watch_of(supervisor.port) as (watch, changed):
        watch.follow([TRITON])
        await reaches(watch, TWO)
        assert changed == [TRITON, TRITON]
        assert supervisor.generations[:2] == [-1, 1]


async def test_response_without_a_change_is_not_reported() -> None:
    supervisor = Supervisor()
    supervisor.bodies = [ONE.to_json(), ONE.to_json(), TWO.to_json()]
    async with supervisor.running(), watch_of(supervisor.port) as (watch, changed):
        watch.follow([TRITON])
        await reaches(watch, TWO)
        assert len(changed) == 2


async def test_state_is_discarded_without_a_response(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publication, "RETRY_SECONDS", 0.01)
    supervisor = Supervisor()
    supervisor.bodies = [ONE.to_json()]
    async with watch_of(supervisor.port) as (watch, changed):
        watch.follow([TRITON])
        async with supervisor.running():
            await reaches(watch, ONE)
        await reaches(watch, None)
        assert changed == [TRITON, TRITON]
        supervisor.bodies = [TWO.to_json()]
        async with supervisor.running():
            await reaches(watch, TWO)


async def test_other_service_on_the_port_publishes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(publication, "RETRY_SECONDS", 0.01)
    supervisor = Supervisor()
    supervisor.bodies = ["<html>", '{"status": "ok"}', ONE.to_json()]
    async with supervisor.running(), watch_of(supervisor.port) as (watch, changed):
        watch.follow([TRITON])
        await reaches(watch, ONE)
        assert changed == [TRITON]


async def test_removed_address_is_followed_no_longer() -> None:
    supervisor = Supervisor()
    supervisor.bodies = [ONE.to_json()]
    async with supervisor.running(), watch_of(supervisor.port) as (watch, _):
        watch.follow([TRITON])
        await reaches(watch, ONE)
        watch.follow([])
        assert watch.state(TRITON) is None


async def test_address_without_a_host_publishes_nothing() -> None:
    async with watch_of(free_ports(1)[0]) as (watch, changed):
        watch.follow(["/run/triton.sock"])
        await asyncio.sleep(0)
        assert not changed
