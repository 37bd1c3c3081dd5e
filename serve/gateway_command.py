"""Command line and environment of the gateway."""

from __future__ import annotations

import os
import sys
from dataclasses import fields

from triton_embed.runtime.common_settings import CommonSettings
from triton_embed.serve.installation import ROOT
from triton_embed.serve.settings import Settings


def gateway_command(settings: Settings) -> list[str]:
    """Return the command line that starts the gateway in front of our Triton."""
    return [sys.executable, "-m", "triton_embed.gateway", "--triton-address", settings.triton_grpc]


def gateway_environment(settings: CommonSettings) -> dict[str, str]:
    """Return our environment, with the settings that the gateway shares as variables."""
    shared = {item.name: getattr(settings, item.name) for item in fields(CommonSettings)}
    variables = {
        f"TRITON_EMBED_{name.upper()}": str(value)
        for name, value in shared.items()
        if value is not None
    }
    return {**os.environ, **variables, "PYTHONPATH": str(ROOT)}
