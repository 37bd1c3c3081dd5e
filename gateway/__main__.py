"""Command line: ``python -m gateway``."""

from __future__ import annotations

import sys

import uvicorn

from contract import configuration, logs
from gateway import app
from gateway.settings import parse

KEEP_ALIVE_SECONDS = 75
"""Longer than load balancers keep an idle connection, so that they never use one we close."""


def main(arguments: list[str] | None = None) -> int:
    """Serve HTTP until SIGTERM and return the exit status."""
    settings = parse(arguments)
    logs.configure(settings.log_level, jsonl=settings.log_jsonl)
    configuration.log_unknown_nim_variables()
    uvicorn.run(
        app.create(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.drain_seconds,
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
