"""The addresses behind a gRPC target, for calls that must reach each of several Tritons."""

from __future__ import annotations

import asyncio
import re
import socket

from triton_embed.gateway.triton import dns
from triton_embed.runtime.addresses import ip_target, split_host_port

DNS_TARGET = re.compile(r"dns:(?://(?P<authority>[^/]*)/)?(?P<name>.+)")
LIST_TARGET = re.compile(r"ipv[46]:(?://[^/]*/)?(?P<servers>.+)")

DNS_PORT = 53


async def resolve(target: str) -> list[str]:
    """Return a target for each address behind `target`, sorted, e.g. ``ipv4:10.0.0.7:8001``.

    A target of any other scheme than ``dns``, ``ipv4`` and ``ipv6`` counts as one address.

    Raises:
        OSError: the name cannot be resolved now.
    """
    if found := LIST_TARGET.fullmatch(target):
        servers = [split_host_port(server) for server in found["servers"].split(",")]
        return sorted({ip_target(*server) for server in servers})
    found = DNS_TARGET.fullmatch(target)
    if not found:
        return [target]
    host, port = split_host_port(found["name"])
    if found["authority"]:
        authority = found["authority"]
        server = split_host_port(authority) if ":" in authority else (authority, DNS_PORT)
        hosts = await dns.lookup(host, server)
    else:
        infos = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        hosts = [str(info[4][0]) for info in infos]
    return sorted({ip_target(address, port) for address in hosts})


def server_name(target: str) -> str | None:
    """Return the host of a DNS target: the name that certificates behind it have."""
    found = DNS_TARGET.fullmatch(target)
    return split_host_port(found["name"])[0] if found else None
