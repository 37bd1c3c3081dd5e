"""The command ``triton-embed serve``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from triton_embed.runtime import logs
from triton_embed.runtime.commands import CommandError
from triton_embed.runtime.options import SettingsCommand
from triton_embed.runtime.settings import SettingsBase, to_variables
from triton_embed.runtime.variables import log_unknown_variables
from triton_embed.serve.errors import ServeError
from triton_embed.serve.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from triton_embed.serve.installation import Installation

HELP = """Serve a model repository with Triton and the HTTP API."""


def serve_command(gateway_settings: type[SettingsBase]) -> SettingsCommand:
    """Return the command.

    Args:
        gateway_settings: The settings of the gateway that are options of this command too.
    """
    return SettingsCommand("serve", callback=_serve, help=HELP, kinds=(Settings, gateway_settings))


def _serve(settings: Settings, gateway_settings: SettingsBase) -> int:
    logs.configure(settings.log_level, jsonl=settings.log_jsonl)
    if not settings.gateway:
        log_unknown_variables()
    from triton_embed.serve import installation, preflight

    try:
        server = installation.find()
        preflight.check(settings, server)
        asyncio.run(_supervise(settings, server, to_variables(gateway_settings)))
    except ServeError as error:
        raise CommandError(f"cannot serve: {error}") from error
    return 0


async def _supervise(
    settings: Settings, server: Installation, gateway_variables: Mapping[str, str]
) -> None:
    from triton_embed.serve.supervisor import Supervisor

    await Supervisor(settings, server, gateway_variables=gateway_variables).run()
