"""The subcommands that look after what is installed: list, show, remove and verify."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from triton_embed.export import model_view
from triton_embed.export.errors import ExportError
from triton_embed.repository.files import human
from triton_embed.repository.installer import Repository
from triton_embed.repository.model import find, read_all

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
        OSError: a file cannot be read or removed.
    """
    return {"list": _list, "show": _show, "remove": _remove, "verify": _verify}[options.command](
        options
    )


def _list(options: argparse.Namespace) -> int:
    entries = read_all(options.model_repository)
    if options.json:
        print(json.dumps([model_view.as_data(entry) for entry in entries], indent=2))
    else:
        print(model_view.listing(entries))
    return 0


def _show(options: argparse.Namespace) -> int:
    entry = find(options.model_repository, options.model)
    if options.json:
        print(json.dumps(model_view.as_data(entry), indent=2))
    else:
        print(model_view.details(entry))
    return 0


def _remove(options: argparse.Namespace) -> int:
    entry = find(options.model_repository, options.model)
    if not entry.ours:
        raise ExportError(
            f"'{entry.title}' was not made by 'python -m triton_embed.export': it {entry.problem}"
        )
    Repository(options.model_repository).remove(entry.models)
    print(f"Removed '{entry.title}', {human(entry.size)}.")
    return 0


def _verify(options: argparse.Namespace) -> int:
    entry = find(options.model_repository, options.model)
    print("loading PyTorch, transformers and sentence-transformers …", file=sys.stderr, flush=True)
    from triton_embed.export.verifier import verify

    parity = verify(options.model_repository, entry, options.checkpoint, options.revision)
    print(f"'{entry.title}': {parity}")
    parity.check()
    return 0
