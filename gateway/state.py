"""What the request handlers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection

from gateway.admission import Admission
from gateway.catalog import Catalog
from gateway.embedder import Embedder
from gateway.metrics import Metrics
from gateway.settings import Settings


@dataclass(frozen=True)
class State:
    """Made when the application starts."""

    settings: Settings
    catalog: Catalog
    admission: Admission
    embedder: Embedder
    metrics: Metrics


def shared(app: Any) -> State:
    """Return the state of an application."""
    state: State = app.state.shared
    return state


def state(connection: HTTPConnection) -> State:
    """Return the state of the application that serves `connection`."""
    return shared(connection.app)
