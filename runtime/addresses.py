"""Addresses of a gRPC server: the form that a setting takes, and the target that gRPC takes."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address

from triton_embed.runtime.values import tcp_port

ADDRESS_SCHEMES = ("dns", "ipv4", "ipv6")
"""Schemes whose targets end with a list of ``HOST:PORT``. The gateway resolves these itself."""

SCHEMES = (*ADDRESS_SCHEMES, "unix", "unix-abstract", "vsock", "xds")
"""Name resolvers of gRPC; https://github.com/grpc/grpc/blob/master/doc/naming.md."""


def split_host_port(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; an IPv6 address is in brackets.

    Raises:
        ValueError: `text` has another form; the message shows it.
    """
    host, _, port = text.strip().rpartition(":")
    if not host or (":" in host and not host.startswith("[")):
        raise ValueError(f"must be HOST:PORT, not '{text}'")
    return host.strip("[]"), tcp_port(port)


def join_host_port(host: str, port: int) -> str:
    """Return ``HOST:PORT``, with an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def grpc_address(text: str) -> str:
    """Return `text` if `grpc_target` accepts it; a parser for settings."""
    grpc_target(text)
    return text


def grpc_target(address: str) -> str:
    """Return the gRPC target of one server or several equal ones.

    Args:
        address: ``HOST:PORT``, where DNS may have several addresses for the host; a comma-separated
            list of ``IP:PORT``; or a target with a scheme, which is returned as it is.

    Raises:
        ValueError: `address` has another form; the message shows it.
    """
    scheme, _, rest = address.partition(":")
    if scheme in SCHEMES:
        if scheme in ADDRESS_SCHEMES:
            for part in rest.rpartition("/")[2].split(","):
                split_host_port(part)
        return address
    servers = [split_host_port(part) for part in address.split(",")]
    if len(servers) == 1:
        return f"dns:///{join_host_port(*servers[0])}"
    try:
        versions = {ip_address(host).version for host, _ in servers}
    except ValueError as error:
        raise ValueError(f"a list must consist of IP:PORT: {error}") from None
    if len(versions) > 1:
        raise ValueError(f"a list must not mix IPv4 and IPv6: '{address}'")
    return f"ipv{versions.pop()}:{','.join(join_host_port(*server) for server in servers)}"


def ip_target(host: str, port: int) -> str:
    """Return the gRPC target of the server at one IP address and port."""
    version = 6 if isinstance(ip_address(host), IPv6Address) else 4
    return f"ipv{version}:{join_host_port(host, port)}"
