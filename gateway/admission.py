"""Bounds how much work the server takes on; what is beyond is refused at once.

Triton's own queue limits cost random stalls of half a second, so the limit stands here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from contract.errors import Unavailable


class Admission:
    """Counts the inputs being embedded.

    Args:
        limit: Most inputs at a time. A larger request is let in when it is alone.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.in_flight = 0

    @contextmanager
    def admit(self, inputs: int) -> Iterator[None]:
        """Hold a place for `inputs` inputs.

        Raises:
            Unavailable: there is no room.
        """
        if self.in_flight and self.in_flight + inputs > self._limit:
            raise Unavailable(
                f"The server is embedding {self.in_flight} of at most {self._limit} inputs; "
                "try again later.",
                code="overloaded",
            )
        self.in_flight += inputs
        try:
            yield
        finally:
            self.in_flight -= inputs
