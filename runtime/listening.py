"""TCP sockets of our servers, and the error if a port cannot be bound."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from typing import Any

Address = tuple[socket.AddressFamily, tuple[Any, ...]]
"""Family and address of a socket."""


class ListenError(Exception):
    """A port cannot be bound; the message names the option to change."""


def bound_sockets(
    hosts: Sequence[str], port: int, port_option: str, host_option: str
) -> list[socket.socket]:
    """Return a bound TCP socket for each address of `hosts`; none of them listens.

    ``::`` includes the addresses of IPv4, unless `hosts` lists some of them itself.

    Args:
        hosts: Addresses or names.
        port: The port to bind.
        port_option: The option that sets the port, for messages.
        host_option: The option that sets the hosts, for messages.

    Raises:
        ListenError: a name is unknown, an address is not of this machine, or the port is in use.
    """
    addresses = [address for host in hosts for address in _addresses(host, port, host_option)]
    only_ipv6 = any(family == socket.AF_INET for family, _ in addresses)
    bound: list[socket.socket] = []
    for family, address in addresses:
        try:
            bound.append(sock := socket.socket(family, socket.SOCK_STREAM))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only_ipv6)
            sock.bind(address)
        except OSError as error:
            for sock in bound:
                sock.close()
            raise _listen_error(error, address, port_option, host_option) from None
    return bound


def _addresses(host: str, port: int, option: str) -> list[Address]:
    try:
        infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        message = f"'{host}' is neither an address nor a known name; change {option}"
        raise ListenError(message) from None
    return list(dict.fromkeys((family, address) for family, _, _, _, address in infos))


def _listen_error(
    error: OSError, address: tuple[Any, ...], port_option: str, host_option: str
) -> ListenError:
    host, port = address[:2]
    if error.errno == errno.EADDRINUSE:
        return ListenError(f"port {port} on {host} is in use; choose another with {port_option}")
    if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
        return ListenError(f"{host} is not an address of this machine; change {host_option}")
    reason = error.strerror
    return ListenError(
        f"port {port} on {host} cannot be bound: {reason}; choose another with {port_option}"
    )
