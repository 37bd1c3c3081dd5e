"""The server of the HTTP API: uvicorn, with one worker process or several."""

from __future__ import annotations

import ctypes
import logging
import multiprocessing
import os
from contextlib import ExitStack
from tempfile import TemporaryDirectory

import uvicorn
from fastapi import FastAPI
from uvicorn.supervisors import Multiprocess

from triton_embed.gateway import app
from triton_embed.gateway.http.certificates import reloading_context
from triton_embed.gateway.http.pacing import PacedConnection
from triton_embed.gateway.services import triton_credentials
from triton_embed.gateway.settings import Settings
from triton_embed.gateway.workers import FOLDER_VARIABLE
from triton_embed.runtime import logs
from triton_embed.runtime.commands import CommandError
from triton_embed.runtime.listening import ListenError, bound_sockets
from triton_embed.runtime.options import settings_from_environment
from triton_embed.runtime.parent import end_with_parent
from triton_embed.runtime.prerequisites import check_certificate, check_tracing
from triton_embed.runtime.settings import to_variables
from triton_embed.runtime.variables import log_unknown_variables

logger = logging.getLogger("gateway")

KEEP_ALIVE_SECONDS = 75
"""Time that an idle connection stays open, in seconds. Longer than in load
balancers, so that they never use a connection that the gateway closes."""

WORKER_START_SECONDS = 60
"""Time in seconds for each of several workers to start, mostly imports; then it is killed."""

M_MMAP_THRESHOLD = -3
"""Parameter of glibc's `mallopt`, see malloc.h."""

MAPPED_BYTES = 1 << 20
"""Blocks of this size or more, such as large bodies, are returned to the system when they are
freed. By default glibc raises the threshold to 32 MiB with the first such block."""


def application() -> FastAPI:
    """Return the application of a worker process, whose settings `run` left in the environment."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES)
    parent = multiprocessing.parent_process()
    if parent and parent.pid:  # One of several workers.
        end_with_parent(parent.pid)
    settings = settings_from_environment(Settings)
    logs.configure(settings.log_level, jsonl=settings.log_jsonl)
    return app.create(settings)


def run(settings: Settings) -> int:
    """Serve HTTP until SIGTERM and return the exit status.

    Raises:
        CommandError: a file, a package or the port cannot be used.
    """
    logs.configure(settings.log_level, jsonl=settings.log_jsonl)
    log_unknown_variables()
    check_certificate(settings)
    check_tracing(settings)
    try:
        triton_credentials(settings)
    except OSError as error:
        raise CommandError(
            f"--triton-tls: cannot read '{error.filename}': {error.strerror}"
        ) from None
    try:
        sockets = bound_sockets(settings.host, settings.port, "--port", "--host")
    except ListenError as error:
        raise CommandError(str(error)) from None
    os.environ.update(to_variables(settings))
    with ExitStack() as stack:
        if settings.workers > 1:
            # Each worker writes its counts here, so that any of them can report the sum. (A single
            # worker could not remove it: uvicorn lets it end by the signal that stopped it.)
            folder = TemporaryDirectory(prefix="triton-embed-metrics-")
            os.environ[FOLDER_VARIABLE] = stack.enter_context(folder)
        config = _config(settings)
        if settings.workers > 1:
            Multiprocess(config, sockets=sockets).run()
            logger.info("stopped")
            return 0
        server = uvicorn.Server(config)
        server.run(sockets=sockets)
        return 0 if server.started else 1


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        "triton_embed.gateway.server:application",
        factory=True,
        workers=settings.workers,
        http=PacedConnection,
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        # The access log reports the address and the proxies' header separately.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_worker_healthcheck=WORKER_START_SECONDS,
        timeout_graceful_shutdown=settings.drain_seconds,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
        ssl_context_factory=reloading_context if settings.tls_certificate else None,
    )
