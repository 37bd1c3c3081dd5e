"""HTTP server of the published state on ``--status-port``: read-only, without secrets."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from triton_embed.contract.status import LONG_POLL_SECONDS, READY_PATH, STATUS_PATH, ModelState
from triton_embed.runtime.memory import MemoryCollector
from triton_embed.serve.errors import ServeError
from triton_embed.serve.status_board import StatusBoard

SHUTDOWN_SECONDS = 1.0
"""Maximum time in seconds for open requests to end at a stop; long polls end immediately."""

logger = logging.getLogger("serve.status")


def _is_our_fault(record: logging.LogRecord) -> bool:
    """Return whether an error is a defect of the server, not a malformed request of a client."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


logger.addFilter(_is_our_fault)

Metric = CounterMetricFamily | GaugeMetricFamily


@asynccontextmanager
async def serving(board: StatusBoard, host: str, port: int) -> AsyncIterator[None]:
    """Serve `board` while in the block.

    Raises:
        ServeError: the port cannot be bound.
    """
    runner = web.AppRunner(
        application(board), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS, logger=logger
    )
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ServeError(
                f"port {port} on {host} cannot be bound ({error}); choose another with "
                "--status-port"
            ) from error
        yield
    finally:
        board.close()
        await runner.cleanup()


def application(board: StatusBoard) -> web.Application:
    """Return the application that serves `board`."""

    async def status(request: web.Request) -> web.Response:
        try:
            after = int(request.query.get("after", "-1"))
        except ValueError:
            raise web.HTTPBadRequest(
                text="'after' must be an integer, the last known generation"
            ) from None
        state = await board.wait(after, LONG_POLL_SECONDS)
        return web.Response(text=state.to_json(), content_type="application/json")

    async def live(request: web.Request) -> web.Response:
        return _health("Service is live.", 200)

    async def ready(request: web.Request) -> web.Response:
        if board.ready:
            return _health("Service is ready.", 200)
        return _health("Service is not ready.", 503)

    registry = CollectorRegistry()
    registry.register(BoardCollector(board))
    registry.register(MemoryCollector())

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(
            body=generate_latest(registry), headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4}
        )

    app = web.Application()
    app.router.add_get(STATUS_PATH, status)
    app.router.add_get("/v1/health/live", live)
    app.router.add_get(READY_PATH, ready)
    app.router.add_get("/metrics", metrics)
    return app


def _health(message: str, status: int) -> web.Response:
    return web.json_response({"object": "health-response", "message": message}, status=status)


class BoardCollector(Collector):
    """Metrics of a `StatusBoard`.

    Args:
        board: The state.
    """

    def __init__(self, board: StatusBoard) -> None:
        self._board = board

    def collect(self) -> Iterator[Metric]:
        """Yield restarts of processes, reloads of steps and the state of each model."""
        yield _counter(
            "triton_embed_process_restarts",
            "Restarts of a process that ended or was unhealthy.",
            "process",
            self._board.process_restarts,
        )
        yield _counter(
            "triton_embed_step_reloads",
            "Reloads of a step whose process had ended.",
            "step",
            self._board.step_reloads,
        )
        states = GaugeMetricFamily(
            "triton_embed_model_state",
            "1 for the current state of a model, 0 for the other states.",
            labels=["model", "state"],
        )
        for model in self._board.state.models:
            for state in ModelState:
                states.add_metric([model.model_id, state.value], float(model.state is state))
        yield states


def _counter(name: str, help: str, label: str, counts: dict[str, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, help, labels=[label])
    for value, count in sorted(counts.items()):
        family.add_metric([value], count)
    return family
