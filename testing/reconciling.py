"""Reconcilers of a Triton in memory, for tests of the supervisor."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from testing.triton_admin import FakeTriton
from triton_embed.contract.status import PublishedModel
from triton_embed.serve.overrides import Overrides
from triton_embed.serve.probe import Probe
from triton_embed.serve.reconciler import Reconciler


def reconciler_of(repository: Path, triton: FakeTriton, **overrides: Any) -> Reconciler:
    """Return a reconciler of `triton`."""
    return Reconciler(repository, triton, Probe(triton), Overrides(**overrides))


def published_by(
    repository: Path, triton: FakeTriton, **overrides: Any
) -> tuple[Reconciler, list[list[PublishedModel]]]:
    """Return a reconciler and the list that receives what it publishes."""
    states: list[list[PublishedModel]] = []

    def publish(models: Iterable[PublishedModel]) -> None:
        states.append(list(models))

    probe = Probe(triton)
    return Reconciler(repository, triton, probe, Overrides(**overrides), publish), states


async def settle(reconciler: Reconciler) -> None:
    """Reconcile until a change is found for the second time."""
    for _ in range(2):
        await reconciler.reconcile()
