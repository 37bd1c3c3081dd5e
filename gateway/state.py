"""What the request handlers share."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import HTTPConnection

from gateway.catalog import Catalog
from gateway.triton import Triton


@dataclass(frozen=True)
class State:
    """Made when the application starts."""

    triton: Triton
    catalog: Catalog


def state(connection: HTTPConnection) -> State:
    """Return the state of the application that serves `connection`."""
    shared: State = connection.app.state.shared
    return shared
