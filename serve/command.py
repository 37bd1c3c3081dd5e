"""The command ``triton-embed serve``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import click

from triton_embed.runtime import logs
from triton_embed.runtime.commands import CommandError, HeadedOption
from triton_embed.runtime.cores import usable_cores
from triton_embed.runtime.options import ComputedValue, SettingsCommand
from triton_embed.runtime.prerequisites import check_certificate, check_tracing
from triton_embed.runtime.settings import SettingsBase, to_variables
from triton_embed.runtime.variables import log_unknown_variables
from triton_embed.serve.errors import ServeError
from triton_embed.serve.settings import ModelSettings, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from triton_embed.serve.installation import Installation

HELP = """Serve models with Triton and the HTTP API.

With CHECKPOINT, a folder or an id on the Hugging Face hub, that checkpoint is exported first if
the repository does not have its model.
"""


def serve_command(gateway_settings: type[SettingsBase]) -> SettingsCommand:
    """Return the command.

    Args:
        gateway_settings: The settings of the gateway that are options of this command too.
    """
    params: list[click.Parameter] = [
        click.Argument(["checkpoint"], required=False),
        HeadedOption(
            ["--model-id"],
            heading=ModelSettings.heading,
            metavar="ID",
            help="Public id of CHECKPOINT.  [default: the hub id, or the folder's name]",
        ),
    ]
    kinds = (Settings, gateway_settings)
    return SettingsCommand(
        "serve", callback=_serve, help=HELP, kinds=kinds, params=params, computed=_computed
    )


def _computed(settings: Settings, gateway_settings: SettingsBase) -> dict[str, ComputedValue]:
    """Return the values that ``serve`` computes for itself, Triton and the gateway."""
    from triton_embed.serve.overrides import Overrides

    overrides = Overrides.from_settings(settings)
    basis = "performance_mode"
    computed = {
        "encoder_instances": ComputedValue(overrides.encoder_instances, basis),
        "encoder_threads": ComputedValue(overrides.encoder_threads, "encoder_instances and cores"),
        "max_queue_delay_microseconds": ComputedValue(
            overrides.max_queue_delay_microseconds, basis
        ),
        "workers": ComputedValue(
            getattr(gateway_settings, "workers", None), f"{usable_cores()} usable cores"
        ),
    }
    if settings.gateway:
        computed["triton_address"] = ComputedValue(
            settings.triton_grpc, "triton_host and triton_grpc_port, for the gateway"
        )
    return {name: each for name, each in computed.items() if each.value is not None}


def _serve(
    settings: Settings,
    gateway_settings: SettingsBase,
    checkpoint: str | None,
    model_id: str | None,
) -> int:
    if model_id and not checkpoint:
        raise click.UsageError("--model-id needs CHECKPOINT")
    logs.configure(settings.log_level, jsonl=settings.log_jsonl)
    if not settings.gateway:
        log_unknown_variables()
    from triton_embed.serve import installation, ports, preflight, run_files
    from triton_embed.serve.provisioning import provision

    try:
        if settings.gateway:
            preflight.check_gateway_packages()
            check_certificate(settings)
            check_tracing(settings)
        server = installation.find()
        if checkpoint:
            provision(checkpoint, model_id, settings.repository)
        # First: the segments of a killed service may fill the shared memory.
        after_kill = run_files.sweep()
        preflight.check(settings, server)
        with ports.reserved(settings, after_kill=after_kill) as settings:
            asyncio.run(_supervise(settings, server, to_variables(gateway_settings)))
    except ServeError as error:
        raise CommandError(f"cannot serve: {error}") from error
    return 0


async def _supervise(
    settings: Settings, server: Installation, gateway_variables: Mapping[str, str]
) -> None:
    from triton_embed.serve.run_files import run_files
    from triton_embed.serve.supervisor import Supervisor

    with run_files() as files:
        await Supervisor(settings, server, files, gateway_variables=gateway_variables).run()
