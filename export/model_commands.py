"""The commands ``triton-embed list``, ``show``, ``remove`` and ``verify``."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import click

from triton_embed.export.command_context import command_context
from triton_embed.export.progress import LOADING, activity
from triton_embed.runtime.commands import HeadedCommand
from triton_embed.runtime.common_settings import RepositorySettings
from triton_embed.runtime.options import setting_options

_command = partial(click.command, cls=HeadedCommand)
_model = click.argument("model")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@_command("list", params=setting_options(RepositorySettings))
@_json
def list_models(model_repository: Path, *, as_json: bool) -> None:
    """Print one line for each model.

    Broken models, and folders that no export made, are listed with the reason. The files of killed
    exports are deleted.
    """
    with command_context("list"):
        from triton_embed.export import model_view
        from triton_embed.repository.scanner import scan
        from triton_embed.repository.staging import sweep

        sweep(model_repository)
        models = scan(model_repository)
        if as_json:
            click.echo(json.dumps([model_view.as_data(model) for model in models], indent=2))
        else:
            click.echo(model_view.listing(models))


@_command("show", params=setting_options(RepositorySettings))
@_model
@_json
def show(model_repository: Path, model: str, *, as_json: bool) -> None:
    """Print a model's spec, provenance, parity and files.

    MODEL is the public id in any case, or the name over gRPC.
    """
    with command_context("show"):
        from triton_embed.export import model_view
        from triton_embed.repository.scanner import find

        found = find(model_repository, model)
        if as_json:
            click.echo(json.dumps(model_view.as_data(found), indent=2))
        else:
            click.echo(model_view.details(found))


@_command("remove", params=setting_options(RepositorySettings))
@_model
def remove(model_repository: Path, model: str) -> None:
    """Delete a model; a running server stops serving it.

    MODEL is the public id in any case, or the name over gRPC.
    """
    with command_context("remove"):
        from triton_embed.export.errors import ExportError
        from triton_embed.export.model_view import human_size
        from triton_embed.repository import installer
        from triton_embed.repository.scanner import find

        found = find(model_repository, model)
        if not found.is_managed:
            raise ExportError(
                f"'{found.name}' was not made by 'triton-embed export'; remove its folder yourself"
            )
        installer.remove(model_repository, found.folders)
        click.echo(f"Removed '{found.display_name}', {human_size(found.size)}.")


@_command("verify", params=setting_options(RepositorySettings))
@_model
@click.argument("checkpoint", required=False)
@click.option(
    "--revision",
    metavar="REVISION",
    help="Branch, tag or commit on the hub.  [default: the one that was exported]",
)
def verify(
    model_repository: Path, model: str, checkpoint: str | None, revision: str | None
) -> None:
    """Compare a model with its checkpoint again.

    MODEL is the public id in any case, or the name over gRPC. CHECKPOINT is a folder or a hub id,
    by default the one that was exported. The exit status is 1 if the parity gate fails. Nothing is
    written, so that a running server does not reload the model.
    """
    with command_context("verify"):
        from triton_embed.repository.scanner import find

        found = find(model_repository, model)
        with activity(LOADING):
            from triton_embed.export import verifier

        parity = verifier.verify(found, checkpoint, revision)
        click.echo(f"'{found.display_name}': {parity}")
        parity.check()
