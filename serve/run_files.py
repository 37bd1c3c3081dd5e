"""Files that a run of the service creates outside of the model repository.

They are a private temporary folder, Triton's segments in ``/dev/shm``, and a lock file next to the
segments, which the supervisor locks while it runs. If it is killed, the next run removes them.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from triton_embed.serve.errors import ServeError

logger = logging.getLogger("serve")

SHARED_MEMORY = Path("/dev/shm")

LOCK_NAME = re.compile(r"triton_embed_([0-9a-f]{12})\.run")
"""Name of the lock of a run. Triton's segments have an underscore after the id."""

TRITON_PROGRAMS = ("tritonserver", "triton_python_backend_stub")
"""Programs of a run whose command lines contain the names of its segments."""

END_SECONDS = 10.0
"""Maximum time in seconds to wait for killed processes. The kernel frees the memory of a large
model within about a second."""

MAX_SOCKET_PATH_BYTES = 107
"""Maximum length in bytes of a Unix socket's path; ``sun_path`` in unix(7), without the zero."""


@dataclass(frozen=True)
class RunFiles:
    """Names of the files of one run.

    Attributes:
        run_id: 12 hexadecimal digits.
        folder: A temporary folder that other users cannot read.
    """

    run_id: str
    folder: Path

    @property
    def memory_prefix(self) -> str:
        """Start of the names of Triton's segments in ``/dev/shm``."""
        return f"triton_embed_{self.run_id}_"

    @property
    def admin_socket(self) -> Path:
        """The Unix socket on which Triton takes requests to load and unload models."""
        return self.folder / "admin.socket"

    def remove_triton(self) -> None:
        """Remove the segments and the socket of a Triton that has ended."""
        for segment in SHARED_MEMORY.glob(f"{self.memory_prefix}*"):
            segment.unlink(missing_ok=True)
        self.admin_socket.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all files of a run that has ended."""
        self.remove_triton()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def run_files() -> Iterator[RunFiles]:
    """Create the temporary folder and the lock of a new run, and remove all files afterwards.

    Raises:
        ServeError: the name of the temporary folder is too long for a socket.
    """
    run_id, lock = _new_lock()
    path = SHARED_MEMORY / f"triton_embed_{run_id}.run"
    try:
        run = RunFiles(run_id, Path(tempfile.gettempdir(), f"triton-embed-{run_id}"))
        os.write(lock, os.fsencode(run.folder))
        run.folder.mkdir(mode=0o700)
        try:
            _check_length(run.admin_socket)
            yield run
        finally:
            run.remove()
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def _check_length(socket: Path) -> None:
    if len(os.fsencode(socket)) > MAX_SOCKET_PATH_BYTES:
        raise ServeError(
            f"the name of the temporary folder is too long: a socket '{socket}' cannot be "
            "created; set TMPDIR to a folder with a shorter name"
        )


def _new_lock() -> tuple[str, int]:
    """Return the id of a new run, and the descriptor of its locked file."""
    while True:
        run_id = secrets.token_hex(6)
        path = SHARED_MEMORY / f"triton_embed_{run_id}.run"
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return run_id, descriptor
        # Another start found the file before it was locked, and removed it.
        os.close(descriptor)


def sweep() -> bool:
    """Remove the processes, segments and temporary folders of dead runs of this user.

    A run whose supervisor is alive holds its lock and is not touched.

    Returns:
        Whether there was a dead run.
    """
    found = False
    for path in SHARED_MEMORY.glob("triton_embed_*.run"):
        name = LOCK_NAME.fullmatch(path.name)
        # The file may belong to another user, or to a run that is ending.
        with suppress(OSError):
            if name and _sweep_run(path, name[1]):
                found = True
    return found


def _sweep_run(path: Path, run_id: str) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            return False
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder = Path(os.fsdecode(os.read(descriptor, os.pathconf("/", "PC_PATH_MAX"))))
        run = RunFiles(run_id, folder)
        logger.debug("removing files and processes of a killed service (run %s)", run_id)
        _kill(run.memory_prefix)
        if folder.name == f"triton-embed-{run_id}":
            run.remove()
        else:  # Killed before it had a folder.
            run.remove_triton()
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(descriptor)


def _kill(memory_prefix: str) -> None:
    """Kill the processes of a run, which contain its prefix in their command lines."""
    killed = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            command = process.cmdline()
            if (
                command
                and Path(command[0]).name in TRITON_PROGRAMS
                and process.uids().real == os.getuid()
                and any(memory_prefix in argument for argument in command)
            ):
                process.kill()
                killed.append(process)
    psutil.wait_procs(killed, timeout=END_SECONDS)
