"""The certificate of the HTTP API, which is loaded again when its files have been replaced."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable

from uvicorn import Config

logger = logging.getLogger("gateway")


def reloading_context(config: Config, load: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Return a context for uvicorn's ``ssl_context_factory``.

    Args:
        config: Uvicorn's settings, with the paths of both files.
        load: Returns a context with the present files.
    """
    return CertificateReloader(str(config.ssl_certfile), str(config.ssl_keyfile), load).context


class CertificateReloader:
    """Gives new connections the current certificate, or the previous one if it cannot be used.

    The files are checked at each handshake, which takes far longer than the check. Every worker
    process therefore detects a change by itself, and open connections are kept.

    Args:
        certificate: Path of the certificate chain.
        key: Path of its private key.
        load: Returns a context with the present files.

    Attributes:
        context: The context to listen with.

    Raises:
        OSError: the files cannot be used.
    """

    def __init__(self, certificate: str, key: str, load: Callable[[], ssl.SSLContext]) -> None:
        self._files = certificate, key
        self._load = load
        self._loaded = self._states()
        self._rejected: list[object] = []
        self.context = self._current = load()
        # OpenSSL also calls it for clients that send no server name.
        self.context.sni_callback = self._select

    def _select(
        self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext
    ) -> None:
        states = self._states()
        if states != self._loaded:
            self._reload(states)
        connection.context = self._current

    def _reload(self, states: list[object]) -> None:
        try:
            self._current = self._load()
        except OSError as error:
            # Try again at each handshake: a file may be completed without a change of its status.
            if states != self._rejected:
                logger.error(
                    "cannot use the new certificate '%s' with the key '%s': %s; "
                    "new connections get the previous certificate",
                    *self._files,
                    error,
                )
            self._rejected = states
        else:
            logger.info("new connections get the new certificate '%s'", self._files[0])
            self._loaded = states

    def _states(self) -> list[object]:
        """Return the file attributes that change when a file is written or replaced."""
        return [_state(path) for path in self._files]


def _state(path: str) -> object:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
