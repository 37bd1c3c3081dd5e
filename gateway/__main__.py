"""Command line: ``python -m gateway``."""

from __future__ import annotations

import logging
import sys

import uvicorn

from gateway import app
from gateway.settings import parse


def main(arguments: list[str] | None = None) -> int:
    """Serve HTTP until SIGTERM and return the exit status."""
    settings = parse(arguments)
    logging.basicConfig(
        level=logging.INFO,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    uvicorn.run(
        app.create(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
