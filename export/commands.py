"""The subcommands that look after what is installed: list, show, remove and verify."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from triton_embed.export import model_view
from triton_embed.export.errors import ExportError
from triton_embed.repository import installer
from triton_embed.repository.scanner import find, scan

NAMES = ("list", "show", "remove", "verify")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the command line of a subcommand, its name included."""
    parser = argparse.ArgumentParser(prog="python -m triton_embed.export")
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="one line for each model")
    show = commands.add_parser("show", help="a model's spec, files and parity")
    remove = commands.add_parser("remove", help="delete a model; a server at work stops serving it")
    verify = commands.add_parser(
        "verify",
        help="run the parity gate on a model again",
        description="Compare an installed model with its checkpoint again. Exits with 1 if the "
        "gate fails. Nothing is written: a running server would load the model anew.",
    )
    for command in (show, remove, verify):
        command.add_argument("model", help="public id, or name over gRPC")
    verify.add_argument(
        "checkpoint", nargs="?", help="folder or hub id (default: the one that was exported)"
    )
    verify.add_argument("--revision", help="of the hub (default: the one that was exported)")
    for command in (listing, show):
        command.add_argument("--json", action="store_true", help="for programs")
    for command in (listing, show, remove, verify):
        command.add_argument(
            "--model-repository", type=Path, required=True, help="the folder that Triton serves"
        )
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> int:
    """Run a subcommand and return the exit status.

    Raises:
        ExportError: it cannot be done.
        RepositoryError: the repository cannot be read, or does not have the model.
        OSError: a file cannot be read or removed.
    """
    return {"list": _list, "show": _show, "remove": _remove, "verify": _verify}[options.command](
        options
    )


def _list(options: argparse.Namespace) -> int:
    models = scan(options.model_repository)
    if options.json:
        print(json.dumps([model_view.as_data(model) for model in models], indent=2))
    else:
        print(model_view.listing(models))
    return 0


def _show(options: argparse.Namespace) -> int:
    model = find(options.model_repository, options.model)
    if options.json:
        print(json.dumps(model_view.as_data(model), indent=2))
    else:
        print(model_view.details(model))
    return 0


def _remove(options: argparse.Namespace) -> int:
    model = find(options.model_repository, options.model)
    if not model.is_managed:
        raise ExportError(
            f"'{model.name}' was not made by 'triton-embed export'; remove its folder yourself"
        )
    installer.remove(options.model_repository, model.folders)
    print(f"Removed '{model.display_name}', {model_view.human_size(model.size)}.")
    return 0


def _verify(options: argparse.Namespace) -> int:
    model = find(options.model_repository, options.model)
    print("loading PyTorch, transformers and sentence-transformers …", file=sys.stderr, flush=True)
    from triton_embed.export.verifier import verify

    parity = verify(model, options.checkpoint, options.revision)
    print(f"'{model.display_name}': {parity}")
    parity.check()
    return 0
