"""The request id, sent by the client or generated here; the response and the log carry it."""

from __future__ import annotations

import random
import re

from starlette.types import Scope

HEADER = b"x-request-id"

VALID_ID = re.compile(rb"[\x21-\x7e]{1,128}")
"""Ids accepted from clients: printable ASCII, so that an id cannot forge a log line."""


def request_id(scope: Scope) -> str:
    """Return the valid id that the client sent, or 32 random hexadecimal digits."""
    for name, value in scope["headers"]:
        if name == HEADER and VALID_ID.fullmatch(value):
            return str(value, "ascii")
    return f"{random.getrandbits(128):032x}"
