"""Parsers of the values of settings, from a command line or an environment variable.

A parser raises ValueError, with a message about the value, if it cannot parse a text.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


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


def _host(text: str) -> str:
    host, _, port = text.rpartition(":")
    if port.isdecimal() and (":" not in host or host.startswith("[")):
        # As for servers, an address without a host means every address.
        return host.strip("[]") or "0.0.0.0"
    return text


def _port(text: str) -> int:
    port = text.rpartition(":")[2]
    if not port.isdecimal():
        raise ValueError(f"must be a port or HOST:PORT, not '{text}'")
    return int(tcp_port(port))


tcp_port = integer(1, 65535, "PORT")
"""Parses a TCP port."""

address_host = Parser("HOST", _host)
"""Parses ``HOST:PORT`` and returns the host; a text without a port is a host."""

address_port = Parser("PORT", _port)
"""Parses ``HOST:PORT`` and returns the port; a text without a host is a port."""

seconds = Parser("SECONDS", _seconds)
"""Parses a number of seconds that is neither negative nor infinite."""

comma_separated = Parser("ITEM,...", _comma_separated)
"""Parses a list of at least one item."""

bearer_keys = Parser("KEY,...", _bearer_keys)
"""Parses a list of keys that clients can send in a header. An empty list is an error: it must not
disable the check of keys."""

file = Parser("FILE", str)
"""Parses the path of a file, as a string."""

folder = Parser("DIR", Path)
"""Parses the path of a folder."""
