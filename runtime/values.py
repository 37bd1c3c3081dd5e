"""Parsers of the values of settings, from a command line or an environment variable.

A parser raises ValueError, with a message about the value, if it cannot parse a text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MAX_PORT = 65535
"""Maximum TCP port: 16 bits."""


@dataclass(frozen=True)
class Parser:
    """A function that parses values of one kind.

    Attributes:
        metavar: The name of such a value in ``--help``.
        function: Turns text into the value; raises ValueError if it cannot.
    """

    metavar: str
    function: Callable[[str], Any]

    def __call__(self, text: str) -> Any:
        """Return the value of `text`."""
        return self.function(text)


def integer(minimum: int, maximum: int | None = None, metavar: str = "N") -> Parser:
    """Return a parser of integers in a range."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise ValueError(f"must be an integer, not '{text}'") from None
        if value < minimum or (maximum is not None and value > maximum):
            upper = "" if maximum is None else f" and at most {maximum}"
            raise ValueError(f"must be at least {minimum}{upper}")
        return value

    return Parser(metavar, parse)


def one_of(*choices: str) -> Parser:
    """Return a parser of one of `choices`, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return text.lower()

    return Parser("|".join(choices), parse)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ValueError(f"must be a number of seconds, not '{text}'")
    return value


def _comma_separated(text: str) -> tuple[str, ...]:
    items = tuple(item.strip() for item in text.split(",") if item.strip())
    if not items:
        raise ValueError("the list is empty")
    return items


def _bearer_keys(text: str) -> tuple[str, ...]:
    # The message must not show the keys.
    if not text.isascii():
        raise ValueError("keys must be ASCII")
    return _comma_separated(text)


def _hosts(text: str) -> tuple[str, ...]:
    hosts = tuple(dict.fromkeys(_host(item.strip()) for item in text.split(",")))
    if "" in hosts:
        raise ValueError(
            f"must be an address, '::' for every address, or a comma-separated list, not '{text}'"
        )
    return hosts


def _host(text: str) -> str:
    host, _, port = text.rpartition(":")
    if port.isdecimal() and (":" not in host or host.startswith("[")):
        # As for servers, an address without a host means every address.
        return host.strip("[]") or "0.0.0.0"
    return text


def _tcp_port(text: str) -> int:
    if text.startswith(("tcp://", "udp://", "sctp://")):
        raise ValueError(
            f"'{text}' is a variable that Kubernetes sets for each Service of a namespace; set "
            "'enableServiceLinks: false' in the pod's spec, or rename the Service"
        )
    return int(integer(1, MAX_PORT)(text))


def _port(text: str) -> int:
    if "://" in text:
        return _tcp_port(text)
    ports = {item.rpartition(":")[2].strip() for item in text.split(",")}
    if len(ports) > 1:
        raise ValueError(f"must have the same port for each host, not '{text}'")
    (port,) = ports
    if not port.isdecimal():
        raise ValueError(f"must be a port or HOST:PORT, not '{text}'")
    return _tcp_port(port)


def _url_prefix(text: str) -> str:
    prefix = text.rstrip("/")
    if not re.fullmatch(r"(/[\w.~-]+)*", prefix, re.ASCII):
        raise ValueError(f"must be a path such as /embed, not '{text}'")
    return prefix


tcp_port = Parser("PORT", _tcp_port)
"""Parses a TCP port."""

address_hosts = Parser("HOST,...", _hosts)
"""Parses a list of ``HOST:PORT`` and returns the hosts; a text without a port is a host."""

address_port = Parser("PORT", _port)
"""Parses a list of ``HOST:PORT`` and returns its port; a text without a host is a port."""

seconds = Parser("SECONDS", _seconds)
"""Parses a number of seconds that is neither negative nor infinite."""

comma_separated = Parser("ITEM,...", _comma_separated)
"""Parses a list of at least one item."""

bearer_keys = Parser("KEY,...", _bearer_keys)
"""Parses a list of keys that clients can send in a header. An empty list is an error: it must not
disable the check of keys."""

url_prefix = Parser("PATH", _url_prefix)
"""Parses the path that precedes all others in URLs, and returns it without a trailing slash."""

file = Parser("FILE", str)
"""Parses the path of a file, as a string."""

folder = Parser("DIR", Path)
"""Parses the path of a folder."""
