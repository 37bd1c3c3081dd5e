"""Command line: ``python -m triton_embed.serve``."""

from __future__ import annotations

import asyncio
import sys

from triton_embed.runtime import logs
from triton_embed.runtime import settings as configuration
from triton_embed.serve import installation, preflight
from triton_embed.serve.errors import ServeError
from triton_embed.serve.installation import Installation
from triton_embed.serve.settings import Settings, parse
from triton_embed.serve.supervisor import Supervisor


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal to stop, and return the exit status."""
    settings = parse(arguments)
    logs.configure(settings.log_level, jsonl=settings.log_jsonl)
    if not settings.gateway:
        configuration.log_unknown_variables()
    try:
        server = installation.find()
        preflight.check(settings, server)
        asyncio.run(_serve(settings, server))
    except ServeError as error:
        print(f"cannot serve: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings, server: Installation) -> None:
    await Supervisor(settings, server).run()


if __name__ == "__main__":
    sys.exit(main())
