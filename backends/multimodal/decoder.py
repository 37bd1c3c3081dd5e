"""Decoding of images in a worker process, so that a crash fails only one image."""

from __future__ import annotations

import fcntl
import mmap
import os
import select
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import numpy as np
from numpy.typing import NDArray

from triton_embed.backends.multimodal.worker import REQUEST, RESPONSE
from triton_embed.contract.image_file import ImageFileError, read_image_file
from triton_embed.contract.image_spec import ImageSpec

MODULE = "triton_embed.backends.multimodal.worker"

MAX_SECONDS = 120.0
"""Time for one image, in seconds; then the worker is killed. A worker that computes reaches its
limit of CPU time long before, unless the machine is overloaded."""

LARGE_PIXELS = 1 << 24
"""Pixels above which the decoders of a machine decode one image at a time. Otherwise the memory of
several large images would add up."""


class WorkerDied(Exception):
    """The worker ended before it responded."""


class Decoder:
    """Decodes one image at a time, in a worker that is replaced when it dies.

    Its methods may be called from any thread.

    Args:
        spec: The model's preprocessing.
        max_bytes: Maximum size of an image file.
        max_pixels: Maximum pixels of an image, which determine the worker's limit of memory.
        python: The interpreter. In a process of Triton, `sys.executable` is not one.
    """

    def __init__(
        self, spec: ImageSpec, max_bytes: int, max_pixels: int, python: str = "python3"
    ) -> None:
        self._spec = spec
        self._python = python
        self._max_pixels = max_pixels
        self._descriptor = os.memfd_create("triton_embed_image")
        os.ftruncate(self._descriptor, max(max_bytes, spec.max_nbytes))
        self._memory = mmap.mmap(self._descriptor, 0)
        self._lock = threading.Lock()
        # Start it now: otherwise the first image would wait until the libraries are imported.
        self._worker = self._new_worker()

    @property
    def worker_id(self) -> int:
        """Process id of the worker, which may have ended."""
        return self._worker.pid

    def decode(self, data: bytes) -> NDArray[np.uint8]:
        """Decode an image file of at most `max_bytes` and `max_pixels`.

        Returns:
            uint8 [tiles, 3, size, size], see `tiles.decode`.

        Raises:
            ImageFileError: the file is truncated or corrupt, or two workers died while decoding it.
        """
        with self._lock, _turn(data):
            # It may have died for another reason than this image, such as lack of memory.
            with suppress(WorkerDied):
                return self._attempt(data)
            try:
                return self._attempt(data)
            except WorkerDied:
                raise ImageFileError("cannot be decoded") from None

    def close(self) -> None:
        """End the worker."""
        self._end_worker()
        self._memory.close()
        os.close(self._descriptor)

    def _attempt(self, data: bytes) -> NDArray[np.uint8]:
        if self._worker.poll() is not None:
            self._end_worker()
            self._worker = self._new_worker()
        worker = self._worker
        assert worker.stdin and worker.stdout
        self._memory[: len(data)] = data
        try:
            worker.stdin.write(REQUEST.pack(len(data)))
            tiles, length = RESPONSE.unpack(_read(worker.stdout, RESPONSE.size))
        except (OSError, EOFError, TimeoutError):
            self._end_worker()
            raise WorkerDied from None
        if not tiles:
            raise ImageFileError(self._memory[:length].decode())
        shape = (tiles, 3, self._spec.size, self._spec.size)
        count = int(np.prod(shape))
        return np.frombuffer(self._memory, np.uint8, count).reshape(shape).copy()

    def _new_worker(self) -> subprocess.Popen[bytes]:
        parameters = [f"{name}={value}" for name, value in self._spec.to_parameters().items()]
        numbers = str(self._descriptor), str(self._max_pixels)
        return subprocess.Popen(
            [self._python, "-m", MODULE, *numbers, *parameters],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=(self._descriptor,),
            # By default, NumPy reserves memory for one thread per core.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )

    def _end_worker(self) -> None:
        self._worker.kill()
        self._worker.communicate()


@contextmanager
def _turn(data: bytes) -> Iterator[None]:
    """Wait until no other decoder of the machine decodes a large image, if `data` is one.

    The kernel releases the lock at the latest when this process ends. Other images wait as long as
    those before them are permitted to take: no time limit applies here.
    """
    if read_image_file(data).pixels <= LARGE_PIXELS:
        yield
        return
    with open(__file__, "rb") as file:
        # Some network file systems have no locks.
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(stream: IO[bytes], size: int) -> bytes:
    """Read `size` bytes.

    Raises:
        EOFError: the stream ended.
        TimeoutError: they did not arrive within `MAX_SECONDS`.
    """
    deadline = time.monotonic() + MAX_SECONDS
    received = b""
    while len(received) < size:
        ready, _, _ = select.select([stream], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        part = os.read(stream.fileno(), size - len(received))
        if not part:
            raise EOFError
        received += part
    return received
