"""Command line and environment of the gateway."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from triton_embed.serve.installation import ROOT
from triton_embed.serve.settings import Settings

CONNECTION_PREFIX = "TRITON_EMBED_TRITON_TLS"
"""Prefix of the variables for TLS to a remote Triton; ours is on this machine, without TLS."""


def gateway_command(settings: Settings) -> list[str]:
    """Return the command line that starts the gateway in front of our Triton."""
    address = ("--triton-address", settings.triton_grpc)
    status = ("--status-port", str(settings.status_port))
    return [sys.executable, "-m", "triton_embed", "gateway", *address, *status]


def gateway_environment(variables: Mapping[str, str], folder: Path) -> dict[str, str]:
    """Return the environment of the gateway: that of this process, and its settings.

    Args:
        variables: The settings as environment variables, see `runtime.settings.to_variables`.
        folder: The folder for its temporary files, which is removed even if the gateway is killed.
    """
    ours = {
        name: value for name, value in os.environ.items() if not name.startswith(CONNECTION_PREFIX)
    }
    return {**ours, **variables, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
