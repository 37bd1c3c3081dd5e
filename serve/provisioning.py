"""Provisioning of the model that ``serve CHECKPOINT`` names: an export, unless it is installed."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from triton_embed.contract.naming import default_model_id, hub_id
from triton_embed.contract.pipeline import Role
from triton_embed.repository.errors import RepositoryError
from triton_embed.repository.model import InstalledModel
from triton_embed.repository.provenance import Provenance
from triton_embed.repository.scanner import scan
from triton_embed.runtime.parent import ending_with_this_process
from triton_embed.serve.errors import ServeError
from triton_embed.serve.installation import ROOT

logger = logging.getLogger("serve")

FORWARDED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that are forwarded to the export, so that it cleans up."""


def provision(checkpoint: str, model_id: str | None, repository: Path) -> None:
    """Export a checkpoint, unless `repository` has a model of its id that can be served.

    A model that another version of triton-embed exported, or that is incomplete, is exported again
    with the same target and precision. An installed model from another checkpoint is not changed.

    Args:
        checkpoint: A folder, or a hub id.
        model_id: The public id; ``None``: the default of the checkpoint.
        repository: The model repository.

    Raises:
        ServeError: the repository cannot be read, or the export failed.
        SystemExit: a signal ended the export.
    """
    folder = Path(os.path.expanduser(checkpoint))
    source = str(folder.resolve()) if folder.is_dir() else checkpoint
    model_id = model_id or default_model_id(source)
    model = _installed(repository, model_id)
    provenance = Provenance.read(model.version_folder(Role.ENCODE)) if model else None
    if model and not model.problem:
        if provenance and _origin(provenance.checkpoint) != _origin(source):
            logger.warning(
                "NOTE: '%s' is already installed and is served as it is; it was exported from "
                "'%s', not from '%s'. To replace it, run: %s",
                *(model.display_name, provenance.checkpoint, source),
                f"triton-embed export {checkpoint} --model-id {model_id}",
            )
        return
    if model:
        logger.warning("'%s' %s", model.display_name, model.problem)
    logger.info("exporting '%s' from '%s'", model_id, source)
    options = ["--model-repository", str(repository), "--model-id", model_id]
    if provenance:
        options += ["--target", provenance.target, "--precision", provenance.precision]
    # After "--", a folder whose name starts with a dash is an argument, too.
    status = run_export([*options, "--", checkpoint])
    if status:
        raise ServeError(
            f"the export of '{checkpoint}' failed (exit status {status}); see its messages above"
        )


def _installed(repository: Path, model_id: str) -> InstalledModel | None:
    try:
        models = scan(repository, missing_ok=True)
    except RepositoryError as error:
        raise ServeError(str(error)) from None
    managed = (model for model in models if model.is_managed)
    return next((each for each in managed if each.display_name.lower() == model_id.lower()), None)


def _origin(source: str) -> str:
    return hub_id(source) or source


def run_export(arguments: Sequence[str]) -> int:
    """Run ``triton-embed export`` as a child process and return its exit status.

    Raises:
        SystemExit: a signal ended the export.
    """
    export = [sys.executable, "-m", "triton_embed", "export", "--no-usage", *arguments]
    command = ending_with_this_process(export)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    started: list[subprocess.Popen[bytes]] = []
    received: list[int] = []

    def forward(number: int, _: object) -> None:
        received.append(number)
        for process in started:
            process.send_signal(number)

    handlers = {number: signal.getsignal(number) for number in FORWARDED_SIGNALS}
    for number, handler in handlers.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, forward)
    try:
        started.append(subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path}))
        if received:
            started[0].send_signal(received[0])
        status = started[0].wait()
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if received:
        raise SystemExit(128 + received[0])
    return status
