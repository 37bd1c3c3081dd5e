"""The command ``triton-embed gateway``."""

from __future__ import annotations

import click

from triton_embed.gateway.settings import Settings
from triton_embed.runtime.options import SettingsCommand


@click.command("gateway", cls=SettingsCommand, kinds=(Settings,))
def gateway(settings: Settings) -> int:
    """Run the HTTP API in front of a Triton that is already running."""
    from triton_embed.gateway import server

    return server.run(settings)
