"""Checks before the start, for conditions that would cause obscure failures later."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import shlex
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from pathlib import Path

from triton_embed.serve.errors import ServeError
from triton_embed.serve.installation import Installation
from triton_embed.serve.loadable import loadable_models
from triton_embed.serve.settings import Settings

MIN_GLIBC = (2, 35)
"""Minimum version of glibc: the server in ``nvidia-pytriton`` 0.7.0 is linked against it."""

MIN_SHARED_MEMORY = 32 << 20
"""Minimum free bytes in /dev/shm. Triton's Python steps exchange tensors there, each in a segment
that grows with its batches. Docker's default of 64 MiB passes, and is enough for short texts."""

MIN_DISK = 16 << 20
"""Minimum free bytes in the temporary folder, for a copy of the Python backend (3 MiB)."""


def check(settings: Settings, installation: Installation) -> None:
    """Run every check.

    Raises:
        ServeError: A check failed.
    """
    check_repository(
        settings.repository, settings.served_model_name, may_be_empty=settings.wait_for_models
    )
    check_space(Path("/dev/shm"), MIN_SHARED_MEMORY, "in a container, raise --shm-size")
    check_space(Path(tempfile.gettempdir()), MIN_DISK, "set TMPDIR to a folder with more room")
    if installation.bundled:
        check_temporary_folder()
        check_glibc()
        check_libpython()


def check_gateway_packages() -> None:
    """Raise ServeError unless the packages of the HTTP API are installed."""
    if importlib.util.find_spec("uvicorn") is None:
        raise ServeError(
            "the packages of the HTTP API are not installed; run: "
            "pip install 'triton-embed[gateway]', or serve Triton alone: --no-gateway"
        )


def check_repository(
    folder: Path, served_model_names: Sequence[str] = (), *, may_be_empty: bool = False
) -> None:
    """Raise ServeError unless `folder` holds a model, and a single one if it is renamed.

    Args:
        folder: The model repository.
        served_model_names: The new names of its model.
        may_be_empty: Whether the server waits for the first model.
    """
    models = loadable_models(folder).values()
    if not models:
        check_readable(folder)
        if may_be_empty:
            return
        raise ServeError(
            f"there is no model in '{folder}'; export one first: "
            f"triton-embed export CHECKPOINT --model-repository {folder} "
            "(with compose: docker compose run --rm --build export)"
        )
    ids = sorted(model.display_name for model in models if model.is_managed)
    if served_model_names and len(ids) > 1:
        raise ServeError(
            f"--served-model-name renames a single model, but '{folder}' has "
            f"{', '.join(ids)}; serve each model from its own repository"
        )


def check_readable(folder: Path) -> None:
    """Raise ServeError if `folder`, or a folder in it that may be a model, is not readable."""
    modes = os.R_OK | os.X_OK
    closed = [folder] if os.access(folder, os.F_OK) and not os.access(folder, modes) else []
    if os.path.isdir(folder) and not closed:
        inner = filter(os.path.isdir, folder.glob("[!.]*"))
        closed = [path for path in inner if not os.access(path, modes)]
    if closed:
        raise ServeError(
            f"there is no model in '{folder}' that user {os.getuid()} can read: no permission for "
            f"'{closed[0]}'; run: chmod -R a+rX '{folder}'"
        )


def check_temporary_folder() -> None:
    """Raise ServeError if the temporary folder's name has characters that a shell interprets."""
    folder = tempfile.gettempdir()
    if shlex.quote(folder) != folder:
        raise ServeError(
            f"the bundled Triton server cannot run in the temporary folder '{folder}' because of "
            "special characters in its name; set TMPDIR to another folder"
        )


def check_space(folder: Path, minimum: int, remedy: str) -> None:
    """Raise ServeError if `folder` has less than `minimum` bytes free."""
    free = shutil.disk_usage(folder).free
    if free < minimum:
        raise ServeError(
            f"{folder} has {free >> 20} MiB free, but {minimum >> 20} MiB are needed; {remedy}"
        )


def check_glibc() -> None:
    """Raise ServeError if the C library is older than the bundled server needs."""
    name, version = platform.libc_ver()
    if name != "glibc" or tuple(map(int, version.split(".")[:2])) < MIN_GLIBC:
        needed = ".".join(map(str, MIN_GLIBC))
        raise ServeError(
            f"the bundled Triton server needs glibc {needed} or newer, but this machine has "
            f"{name or 'another C library'} {version}; use the container images (docker compose up)"
        )


def check_libpython() -> None:
    """Raise ServeError if Python's shared library, which Triton's Python steps load, is missing."""
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    if Path(sysconfig.get_config_var("LIBDIR"), name).is_file():
        return
    try:
        ctypes.CDLL(name)
    except OSError:
        package = name.split(".so")[0]
        raise ServeError(
            f"{name}, which Triton's Python backend needs, is missing; on Debian and Ubuntu, run: "
            f"apt-get install {package}"
        ) from None
