"""The pause before a request is sent again."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from http import HTTPStatus

RETRIED = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses after which a request is sent again."""

FIRST_PAUSE_SECONDS = 0.5
"""Mean pause after the first failure without ``Retry-After``; it doubles with each failure."""

MAX_PAUSE_SECONDS = 30.0
"""Maximum pause, ``Retry-After`` included, so that a restarted server is used again soon."""

RETRY_SECONDS = 300.0
"""Default time for which a request is sent again: longer than a server needs to load its models."""


def pause_seconds(
    failures: int, headers: Mapping[str, str], draw: Callable[[], float] = random.random
) -> float:
    """Return the seconds to wait before the next attempt.

    Args:
        failures: Failures so far, at least 1.
        headers: Headers of the response, with names in lower case; empty without a response.
        draw: Returns a random number from 0 to 1, so that clients do not all retry at once.
    """
    stated = _retry_after(headers.get("retry-after", ""))
    if stated is not None:
        # Not all clients at once, but none earlier than the server states.
        return min(stated, MAX_PAUSE_SECONDS) + draw() * FIRST_PAUSE_SECONDS
    longest: float = FIRST_PAUSE_SECONDS * 2 ** min(failures, 16)
    return min(longest, MAX_PAUSE_SECONDS) * (0.5 + draw() / 2)


def _retry_after(value: str) -> float | None:
    """Return the seconds of a ``Retry-After`` header, which may be a number or a date."""
    try:
        seconds = float(value)
    except ValueError:
        pass
    else:
        return None if math.isnan(seconds) else max(seconds, 0.0)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return max((date - datetime.now(timezone.utc)).total_seconds(), 0.0)
