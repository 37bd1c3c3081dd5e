"""What the request handlers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection

from triton_embed.gateway.metrics import Metrics
from triton_embed.gateway.scheduling.admission import AdmissionController
from triton_embed.gateway.scheduling.scheduler import Embedder
from triton_embed.gateway.settings import Settings
from triton_embed.gateway.triton.catalog import Catalog


@dataclass(frozen=True)
class Services:
    """Made when the application starts."""

    settings: Settings
    catalog: Catalog
    admission: AdmissionController
    embedder: Embedder
    metrics: Metrics


def shared(app: Any) -> Services:
    """Return the state of an application."""
    state: Services = app.state.shared
    return state


def state(connection: HTTPConnection) -> Services:
    """Return the state of the application that serves `connection`."""
    return shared(connection.app)
