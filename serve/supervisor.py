"""Brings up Triton and the gateway in order, keeps them up and takes them down."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from tempfile import TemporaryDirectory

from tritonclient.utils import InferenceServerException

from triton_embed.runtime.common_settings import CommonSettings
from triton_embed.serve import admin_client as triton
from triton_embed.serve.errors import ServeError
from triton_embed.serve.installation import ROOT, Installation
from triton_embed.serve.process import ProcessSpec, SupervisedProcess
from triton_embed.serve.reconciler import Reconciler
from triton_embed.serve.settings import Settings

logger = logging.getLogger("serve")

LOOK_SECONDS = 0.2
"""Pause between two looks at a service that is starting."""

FOLLOW_SECONDS = 1.0
"""Pause between two looks at the model repository."""

PROBE_SECONDS = 3.0
"""Pause between two probes of a healthy Triton."""

GATEWAY_EXIT_SECONDS = 5.0
"""How long the gateway may take to end once its requests are finished."""


class Supervisor:
    """Runs the service described by `settings` on `installation`."""

    def __init__(self, settings: Settings, installation: Installation) -> None:
        self._settings = settings
        self._installation = installation
        self._run = triton.ServerInstance()
        self._client = triton.AdminClient(settings.triton_grpc, self._run)
        self._loader = Reconciler(settings, self._client)

    async def run(self) -> None:
        """Serve until SIGTERM, SIGINT, or SIGHUP if that is not ignored.

        Raises:
            ServeError: a part of the service did not come up the first time.
        """
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # by nohup
            loop.add_signal_handler(signal.SIGHUP, stopped.set)
        with TemporaryDirectory(prefix="triton-embed-") as folder:
            self._installation.assemble_backends(Path(folder))
            services = [SupervisedProcess(self._triton(Path(folder)))]
            if self._settings.gateway:
                services.append(SupervisedProcess(self._gateway()))
            work = asyncio.ensure_future(self._serve(services))
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
                for service in reversed(services):
                    await service.stop()
                await self._client.close()

    async def _serve(self, services: list[SupervisedProcess]) -> None:
        kept = []
        try:
            for service in services:
                await service.start()
                kept.append(asyncio.ensure_future(service.keep()))
            await self._announce()
            await asyncio.gather(*kept)
        finally:
            for task in kept:
                task.cancel()

    async def _announce(self) -> None:
        served = await self._served()
        models = ", ".join(sorted({model.spec.model_id for model in served.values()}))
        settings = self._settings
        where = f"{settings.url}, " if settings.gateway else ""
        logger.info(
            "triton-embed is ready: %sgRPC %s:%d, metrics %s:%d; serving %s",
            where,
            settings.triton_host,
            settings.triton_grpc_port,
            settings.triton_host,
            settings.triton_metrics_port,
            models,
        )

    async def _served(self) -> dict[str, triton.ProbeTarget]:
        """Return the models that Triton serves, once it has any: it may be dead or restarting."""
        while True:
            with suppress(InferenceServerException):
                if models := await self._client.models():
                    return models
            await asyncio.sleep(LOOK_SECONDS)

    def _triton(self, folder: Path) -> ProcessSpec:
        return ProcessSpec(
            name="Triton",
            command=triton.command(self._settings, self._installation, folder, self._run),
            environment=self._installation.environment(),
            logger=logging.getLogger("triton"),
            noise=triton.noise(self._settings),
            stop_seconds=triton.EXIT_SECONDS + 5.0,
            until_ready=self._until_triton_ready,
            until_sick=self._until_triton_sick,
            clean_up=self._run.remove_memory,
        )

    def _gateway(self) -> ProcessSpec:
        settings = self._settings
        return ProcessSpec(
            name="the gateway",
            command=[
                *(sys.executable, "-m", "triton_embed.gateway"),
                *("--triton-url", settings.triton_http),
            ],
            environment={**os.environ, **self._shared_settings(), "PYTHONPATH": str(ROOT)},
            logger=None,
            noise=(),
            stop_seconds=settings.drain_seconds + GATEWAY_EXIT_SECONDS,
            until_ready=self._until_gateway_ready,
            until_sick=_never,
            clean_up=lambda: None,
        )

    def _shared_settings(self) -> dict[str, str]:
        """Return, as variables, the settings that the gateway has too."""
        values = {item.name: getattr(self._settings, item.name) for item in fields(CommonSettings)}
        return {
            f"TRITON_EMBED_{name.upper()}": str(value)
            for name, value in values.items()
            if value is not None
        }

    async def _until_triton_ready(self) -> None:
        logger.info("starting Triton")
        while not await self._client.live():
            await asyncio.sleep(LOOK_SECONDS)
        if not await self._loader.load_all():
            raise ServeError(f"no model in '{self._settings.repository}' works; why is said above")

    async def _until_triton_sick(self) -> str:
        follow = asyncio.ensure_future(self._follow_repository())
        probe = asyncio.ensure_future(self._until_probe_fails())
        try:
            await asyncio.wait([follow, probe], return_when=asyncio.FIRST_COMPLETED)
            return await (follow if follow.done() else probe)
        finally:
            for task in (follow, probe):
                task.cancel()

    async def _follow_repository(self) -> str:
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            try:
                await self._loader.follow()
            except ServeError as error:
                logger.error("%s", error)

    async def _until_probe_fails(self) -> str:
        """Two probes in a row must fail, because a model may be reloading during one.

        A model that is new is the loader's to judge: it must not take the others down.
        """
        before: dict[str, str] = {}
        while True:
            await asyncio.sleep(LOOK_SECONDS if before else PROBE_SECONDS)
            failures = await self._client.failures()
            for model in self._loader.unproven:
                failures.pop(model, None)
            if failures and before:
                return next(iter(failures.values()))
            before = failures

    async def _until_gateway_ready(self) -> None:
        logger.info("starting the gateway")
        url = f"{self._settings.url}/v1/health/ready"
        while not await asyncio.to_thread(_answers, url):
            await asyncio.sleep(LOOK_SECONDS)


def _answers(url: str) -> bool:
    # We ask ourselves, where the certificate need not name us and no proxy has a part.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


async def _never() -> str:
    """Wait for ever: a gateway that is up but wedged is not restarted."""
    return str(await asyncio.get_running_loop().create_future())
