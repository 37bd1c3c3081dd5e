"""Command line: ``python -m triton_embed.gateway``."""

from __future__ import annotations

import logging
import os
import ssl
import sys
from contextlib import ExitStack
from tempfile import TemporaryDirectory

import uvicorn
from fastapi import FastAPI

from triton_embed.gateway import app
from triton_embed.gateway.http.protocol import UpgradeIgnoringProtocol
from triton_embed.gateway.settings import parse
from triton_embed.runtime import logs
from triton_embed.runtime import settings as configuration

logger = logging.getLogger("gateway")

KEEP_ALIVE_SECONDS = 75
"""Longer than load balancers keep an idle connection, so that they never use one we close."""

WORKER_START_SECONDS = 60
"""How long one of several workers may take to import everything: it is killed if it does not answer
for so long."""


def application() -> FastAPI:
    """Return the application of a worker process, which has the command line of the first one."""
    settings = parse()
    logs.configure(settings.log_level, jsonl=settings.log_jsonl)
    return app.create(settings)


def main() -> int:
    """Serve HTTP until SIGTERM and return the exit status."""
    settings = parse()
    logs.configure(settings.log_level, jsonl=settings.log_jsonl)
    configuration.log_unknown_variables()
    if settings.tls_certificate:
        pair = settings.tls_certificate, settings.tls_key
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*pair)
        except OSError as error:
            logger.error("cannot use the certificate '%s' with the key '%s': %s", *pair, error)
            return 1
    with ExitStack() as stack:
        if settings.workers > 1:
            # Here each worker leaves its counts, so that any of them can tell the sum. (A single
            # one could not remove it: uvicorn lets it end by the signal that stopped it.)
            folder = TemporaryDirectory(prefix="triton-embed-metrics-")
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = stack.enter_context(folder)
        uvicorn.run(
            "triton_embed.gateway.__main__:application",
            factory=True,
            workers=settings.workers,
            host=settings.host,
            port=settings.port,
            http=UpgradeIgnoringProtocol,
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            # Nothing here asks for the client's address.
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_worker_healthcheck=WORKER_START_SECONDS,
            timeout_graceful_shutdown=settings.drain_seconds,
            ssl_certfile=settings.tls_certificate,
            ssl_keyfile=settings.tls_key,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
