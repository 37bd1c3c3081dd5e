"""Start order, supervision and shutdown of Triton and the gateway."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import MappingProxyType

from triton_embed.contract.status import PublishedModel
from triton_embed.runtime.health import is_gateway_ready
from triton_embed.serve import backend_directory
from triton_embed.serve.admin_client import AdminClient, TritonAdmin
from triton_embed.serve.errors import ServeError, TritonError
from triton_embed.serve.gateway_command import gateway_command, gateway_environment
from triton_embed.serve.installation import Installation
from triton_embed.serve.output import OutputRelay, ignored_output
from triton_embed.serve.overrides import Overrides
from triton_embed.serve.private_memory import with_private_memory
from triton_embed.serve.probe import (
    HealthProbe,
    Probe,
    ProbeResult,
    probe_targets,
    wait_unhealthy,
)
from triton_embed.serve.process import ProcessSpec, SupervisedProcess
from triton_embed.serve.reconciler import Reconciler
from triton_embed.serve.run_files import RunFiles
from triton_embed.serve.server_command import (
    EXIT_TIMEOUT_SECONDS,
    admin_endpoint,
    server_command,
    server_environment,
)
from triton_embed.serve.settings import Settings
from triton_embed.serve.status_board import StatusBoard
from triton_embed.serve.status_server import serving
from triton_embed.serve.stubs import StubWatcher

logger = logging.getLogger("serve")

STARTUP_POLL_INTERVAL = 0.2
"""Seconds between two checks whether a starting process serves."""

REPOSITORY_POLL_INTERVAL = 1.0
"""Seconds between two scans of the model repository. A change is applied after two equal scans."""

TRITON_EXIT_MARGIN_SECONDS = 5.0
"""Time for Triton to unload its models after `EXIT_TIMEOUT_SECONDS`; then it is killed."""

GATEWAY_EXIT_MARGIN_SECONDS = 5.0
"""Time for the gateway to end after ``--drain-seconds``; then it is killed."""


MAX_REVIVALS = 20
"""Number of reloads of dead steps after which Triton is restarted instead. Each may leave some 40
threads and a segment of 1 MiB in Triton 2.51, which waits for the dead process."""

MAX_REVIVAL_ATTEMPTS = 2
"""Number of attempts to load a dead step again. The first one fails if the new process is killed,
too, or if the model is replaced meanwhile; a restart of Triton would interrupt all other models."""


class Supervisor:
    """Runs Triton and the gateway, and publishes the state of the models.

    Args:
        settings: Ports, the model repository and overrides.
        installation: The Triton to run.
        files: The files of this run.
        client: Its administrative API; by default over gRPC. Replaced in tests.
        probe: Its health; by default by inferences with `client`. Replaced in tests.
        gateway_variables: Environment variables with the settings of the gateway.
    """

    def __init__(
        self,
        settings: Settings,
        installation: Installation,
        files: RunFiles,
        client: TritonAdmin | None = None,
        probe: HealthProbe | None = None,
        gateway_variables: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._settings = settings
        self._gateway_variables = gateway_variables
        self._installation = installation
        self._files = files
        self._endpoint = admin_endpoint(settings, files)
        self._owned_client = None
        if client is None:
            client = AdminClient(settings.triton_grpc, self._endpoint)
            self._owned_client = client
        self._client = client
        self._probe = probe or Probe(client)
        self._board = StatusBoard()
        self._stubs = StubWatcher(self._stub_ended)
        self._step_lost = asyncio.Event()
        self._triton_live = asyncio.Event()
        self._revivals = 0
        overrides = Overrides.from_settings(settings)
        self._reconciler = Reconciler(
            settings.repository, client, self._probe, overrides, self._publish
        )

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT, or SIGHUP if that is not ignored.

        Raises:
            ServeError: Triton or the gateway did not start the first time.
        """
        stopped = _stop_event()
        settings = self._settings
        self._reconciler.announce()
        backend_directory.assemble(self._installation, self._files.folder)
        processes = [SupervisedProcess(self._triton_spec())]
        self._board.expect_restarts(["triton"])
        if settings.gateway:
            processes.append(SupervisedProcess(self._gateway_spec()))
            self._board.expect_restarts(["gateway"])
        async with serving(self._board, settings.triton_host, settings.status_port):
            await self._run_until(stopped, processes)
        logger.info("stopped")

    async def _run_until(
        self, stopped: asyncio.Event, processes: Sequence[SupervisedProcess]
    ) -> None:
        """Serve until `stopped` is set, and stop the processes."""
        work = asyncio.ensure_future(self._serve(processes))
        stop = asyncio.ensure_future(stopped.wait())
        try:
            await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                await work
            else:
                logger.info("stopping")
        finally:
            for task in (work, stop):
                task.cancel()
            await asyncio.gather(work, stop, return_exceptions=True)
            self._stubs.close()
            for process in reversed(processes):
                await process.stop()
            if self._owned_client:
                await self._owned_client.close()

    def _publish(self, models: Iterable[PublishedModel]) -> None:
        if self._board.publish(models):
            # A model that was loaded has new stubs.
            self._board.expect_restarts((), self._stubs.refresh())

    def _stub_ended(self, step: str) -> None:
        if self._reconciler.lose_step(step):
            logger.warning("the process of %s has ended; loading it again", step)
            self._step_lost.set()

    async def _serve(self, processes: Sequence[SupervisedProcess]) -> None:
        triton, *others = processes
        await self._wait_for_repository()
        starting = asyncio.ensure_future(self._start_beside_loading(others))
        supervised = [starting]
        try:
            await triton.start()
            supervised.append(asyncio.ensure_future(triton.supervise()))
            await starting
            supervised += [asyncio.ensure_future(process.supervise()) for process in others]
            await self._announce()
            await asyncio.gather(*supervised)
        finally:
            for task in supervised:
                task.cancel()

    async def _wait_for_repository(self) -> None:
        """Wait for the folder that an export creates: Triton does not start without it."""
        folder = self._settings.repository
        if self._settings.wait_for_models and not folder.is_dir():
            self._report_no_model()
            while not folder.is_dir():
                await asyncio.sleep(REPOSITORY_POLL_INTERVAL)

    async def _start_beside_loading(self, processes: Iterable[SupervisedProcess]) -> None:
        """Start the processes, whose imports take about as long as Triton loads a small model."""
        await self._triton_live.wait()
        for process in processes:
            await process.start()

    async def _announce(self) -> None:
        """Log the addresses, the served and the rejected models, once any model is served."""
        model_ids = await self._served_model_ids()
        failed = self._reconciler.failed
        settings = self._settings
        logger.info(
            "triton-embed is ready: %sgRPC %s:%d, metrics %s:%d, status %s:%d; serving %s from "
            "%s%s",
            f"{settings.url}, " if settings.gateway else "",
            settings.triton_host,
            settings.triton_grpc_port,
            settings.triton_host,
            settings.triton_metrics_port,
            settings.triton_host,
            settings.status_port,
            ", ".join(model_ids),
            settings.repository,
            f"; not served because of the errors above: {', '.join(failed)}" if failed else "",
        )

    async def _served_model_ids(self) -> list[str]:
        """Return the ids that Triton serves; wait for it if it has died and is restarting."""
        while True:
            with suppress(TritonError):
                if targets := probe_targets(await self._client.ready_configs()):
                    return sorted({target.spec.model_id for target in targets})
            await asyncio.sleep(STARTUP_POLL_INTERVAL)

    def _triton_spec(self) -> ProcessSpec:
        settings = self._settings
        files = self._files
        command = server_command(settings, self._installation, files, self._endpoint)
        return ProcessSpec(
            name="Triton",
            command=with_private_memory(command) if self._installation.bundled else command,
            environment=server_environment(self._installation),
            output=OutputRelay(
                logging.getLogger("triton"), ignored_output(verbose=settings.triton_log_verbose)
            ),
            stop_timeout_seconds=EXIT_TIMEOUT_SECONDS + TRITON_EXIT_MARGIN_SECONDS,
            wait_ready=self._wait_triton_ready,
            wait_unhealthy=self._wait_triton_unhealthy,
            on_lost=self._triton_lost,
            clean_up=files.remove_triton,
        )

    def _gateway_spec(self) -> ProcessSpec:
        settings = self._settings
        return ProcessSpec(
            name="the gateway",
            command=gateway_command(settings),
            environment=gateway_environment(self._gateway_variables, self._files.folder),
            output=None,
            stop_timeout_seconds=settings.drain_seconds + GATEWAY_EXIT_MARGIN_SECONDS,
            wait_ready=self._wait_gateway_ready,
            wait_unhealthy=_never,
            on_lost=partial(self._count_restart, "gateway"),
            clean_up=lambda: None,
        )

    def _triton_lost(self, reason: str) -> None:
        self._reconciler.lose_all(f"Triton: {reason}")
        self._count_restart("triton", reason)

    def _count_restart(self, process: str, reason: str) -> None:
        self._board.process_restarts[process] += 1

    async def _wait_triton_ready(self) -> None:
        self._revivals = 0
        logger.info("starting Triton")
        while not await self._client.is_live():
            await asyncio.sleep(STARTUP_POLL_INTERVAL)
        await self._check_version()
        self._triton_live.set()
        if not await self._reconciler.load_all():
            self._report_no_model()

    async def _check_version(self) -> None:
        try:
            version = await self._client.version()
        except TritonError as error:
            raise ServeError(f"Triton does not report its version: {error}") from error
        self._installation.check_version(version)

    def _report_no_model(self) -> None:
        """Log how to export a model, if the service waits for one.

        Raises:
            ServeError: The service does not wait.
        """
        folder = self._settings.repository
        if not self._settings.wait_for_models:
            raise ServeError(f"no model in '{folder}' could be loaded; see the errors above")
        logger.warning(
            "no model in '%s' can be served yet; waiting for an export: triton-embed export "
            "CHECKPOINT --model-repository %s (with compose: docker compose run --rm export)",
            *(folder, folder),
        )

    async def _wait_triton_unhealthy(self) -> str:
        reconciliation = asyncio.ensure_future(self._reconcile_forever())
        health = asyncio.ensure_future(wait_unhealthy(self._probe_verified_models))
        try:
            await asyncio.wait([reconciliation, health], return_when=asyncio.FIRST_COMPLETED)
            return await (reconciliation if reconciliation.done() else health)
        finally:
            for task in (reconciliation, health):
                task.cancel()

    async def _reconcile_forever(self) -> str:
        """Reconcile and revive steps until only a restart of Triton helps; return the reason."""
        failure = ""
        while True:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._step_lost.wait(), REPOSITORY_POLL_INTERVAL)
            self._step_lost.clear()
            try:
                if self._reconciler.lost_steps and (reason := await self._revive()):
                    return reason
                await self._reconciler.reconcile()
                failure = ""
            except ServeError as error:
                if str(error) != failure:
                    logger.error("%s", error)
                failure = str(error)

    async def _revive(self) -> str | None:
        """Load the steps again whose processes have ended; return the reason if this failed.

        The other models stay served, which is faster than a restart of Triton.

        Raises:
            ServeError: The repository cannot be read now.
        """
        if self._revivals >= MAX_REVIVALS:
            return f"processes of steps have ended {MAX_REVIVALS} times"
        lost = ", ".join(sorted(self._reconciler.lost_steps))
        reason = ""
        for _ in range(MAX_REVIVAL_ATTEMPTS):
            try:
                steps = await self._reconciler.revive()
            except TritonError as error:
                if error.status == "UNAVAILABLE":
                    return f"it does not respond: {error.message}"
                reason = error.message
                self._revivals += 1
                continue
            self._revivals += 1
            self._board.step_reloads.update(steps)
            if steps:
                logger.warning("%s loaded again", ", ".join(steps))
            return None
        return f"{lost} cannot be loaded again: {reason}"

    async def _probe_verified_models(self) -> ProbeResult:
        """Probe the models that have worked before.

        The reconciler verifies a new one; it must not restart Triton, with all other models.
        """
        result = await self._probe.run()
        return result.without(self._reconciler.unverified)

    async def _wait_gateway_ready(self) -> None:
        logger.info("starting the gateway")
        while not await asyncio.to_thread(is_gateway_ready, self._settings.url):
            await asyncio.sleep(STARTUP_POLL_INTERVAL)


def _stop_event() -> asyncio.Event:
    """Return an event that the signals to stop set."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # Ignored under nohup.
        loop.add_signal_handler(signal.SIGHUP, stopped.set)
    return stopped


async def _never() -> str:
    """Wait indefinitely: a gateway that runs but hangs is not restarted."""
    return str(await asyncio.get_running_loop().create_future())
