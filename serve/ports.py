"""Reservation of the ports of Triton and the supervisor; a default port in use is replaced."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

from triton_embed.runtime.listening import ListenError, bound_sockets
from triton_embed.serve.errors import ServeError
from triton_embed.serve.settings import DefaultPort, Settings

STEP = 10
"""Distance to the next candidate if a default port is in use: a second server on the machine uses
8011, 8012 and 8014."""

MAX_CANDIDATES = 100
"""Maximum number of ports that are tried, the default included."""

RELEASE_SECONDS = 5.0
"""Maximum time in seconds until the kernel has ended the processes of a killed service, which frees
their ports."""

POLL_INTERVAL = 0.1
"""Seconds between two attempts to bind such a port."""


@dataclass(frozen=True)
class WantedPort:
    """A port to bind.

    Attributes:
        name: The setting.
        hosts: Addresses to bind.
        port: The number; a `DefaultPort` may be replaced.
    """

    name: str
    hosts: Sequence[str]
    port: int

    @property
    def option(self) -> str:
        """The option that sets the port."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def host_option(self) -> str:
        """The option that sets the hosts."""
        return "--host" if self.name == "port" else "--triton-host"


@contextmanager
def reserved(settings: Settings, *, after_kill: bool = False) -> Iterator[Settings]:
    """Yield the settings with ports that are free, and keep other starts from choosing them.

    Args:
        settings: The settings; each `DefaultPort` that is in use is replaced.
        after_kill: Whether a service was killed before this start; wait until its ports are free.

    Raises:
        ServeError: a port is in use or set twice, or a host is not an address of this machine.
    """
    wanted = _wanted(settings)
    _check_distinct(wanted)
    fixed = {each.port for each in wanted if not isinstance(each.port, DefaultPort)}
    deadline = time.monotonic() + (RELEASE_SECONDS if after_kill else 0)
    chosen: dict[str, Any] = {}
    with ExitStack() as locks:
        try:
            for each in wanted:
                chosen[each.name] = _reserve_any(locks, each, fixed, deadline)
        except ListenError as error:
            raise ServeError(str(error)) from None
        yield replace(settings, **chosen)


def _wanted(settings: Settings) -> list[WantedPort]:
    triton = [settings.triton_host]
    ports = [
        WantedPort("triton_grpc_port", triton, settings.triton_grpc_port),
        WantedPort("triton_metrics_port", triton, settings.triton_metrics_port),
        WantedPort("status_port", triton, settings.status_port),
    ]
    if settings.triton_http_port is not None:
        ports.append(WantedPort("triton_http_port", triton, settings.triton_http_port))
    if settings.gateway:
        ports.insert(0, WantedPort("port", settings.host, settings.port))
    return ports


def _check_distinct(wanted: Sequence[WantedPort]) -> None:
    options: dict[int, str] = {}
    for each in wanted:
        if isinstance(each.port, DefaultPort):
            continue
        if each.port in options:
            raise ServeError(
                f"{options[each.port]} and {each.option} are both {each.port}; choose another port"
            )
        options[each.port] = each.option


def _reserve_any(locks: ExitStack, wanted: WantedPort, fixed: set[int], deadline: float) -> int:
    """Reserve the wanted port or, if it is a default, the first free one of its candidates."""
    if not isinstance(wanted.port, DefaultPort):
        _reserve(locks, wanted, deadline)
        return wanted.port
    failure = None
    for port in range(wanted.port, wanted.port + STEP * MAX_CANDIDATES, STEP):
        if port not in fixed:
            try:
                _reserve(locks, replace(wanted, port=port), deadline)
                return port
            except ListenError as error:
                failure = failure or error
    raise failure or ListenError(f"no port is free; choose one with {wanted.option}")


def _reserve(locks: ExitStack, wanted: WantedPort, deadline: float) -> None:
    """Lock a port; wait until `deadline` while it is in use.

    Raises:
        ListenError: the port cannot be bound, or another start has chosen it.
    """
    while True:
        attempt = ExitStack()
        try:
            for host in wanted.hosts:
                _lock(attempt, host, wanted)
            # Only a check whether it can be bound: Triton and the gateway bind it themselves.
            options = wanted.option, wanted.host_option
            for sock in bound_sockets(wanted.hosts, wanted.port, *options):
                sock.close()
            locks.push(attempt)
            return
        except ListenError:
            attempt.close()
            if time.monotonic() >= deadline:
                raise
            time.sleep(POLL_INTERVAL)


def _lock(attempt: ExitStack, host: str, wanted: WantedPort) -> None:
    """Bind a name that the kernel frees with this process; it belongs to the network namespace."""
    lock = attempt.enter_context(socket.socket(socket.AF_UNIX))
    try:
        lock.bind(f"\0triton-embed/{host}/{wanted.port}")
    except OSError:
        raise ListenError(
            f"port {wanted.port} on {host} is reserved by another triton-embed; choose another "
            f"with {wanted.option}"
        ) from None
