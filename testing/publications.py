"""Published states that a test sets."""

from __future__ import annotations

from collections.abc import Callable, Collection

from triton_embed.contract.status import ModelState, PublishedModel, PublishedState


class FakePublications:
    """`gateway.triton.catalog.Publications` in memory; initially nothing is published.

    Attributes:
        changed: See `Publications.changed`.
        followed: The addresses that are followed.
    """

    def __init__(self) -> None:
        self.changed: Callable[[str], None] = lambda address: None
        self.followed: set[str] = set()
        self._states: dict[str, PublishedState] = {}
        self._generation = 0

    def publish(self, address: str, **states: ModelState) -> None:
        """Publish the states of all models of the Triton at `address`, by model id."""
        models = tuple(PublishedModel(model_id, state) for model_id, state in states.items())
        self._generation += 1
        self._states[address] = PublishedState(self._generation, models)
        self.changed(address)

    def withdraw(self, address: str) -> None:
        """Publish nothing any more."""
        del self._states[address]
        self.changed(address)

    def follow(self, addresses: Collection[str]) -> None:
        """Record the addresses."""
        self.followed = set(addresses)

    def state(self, address: str) -> PublishedState | None:
        """Return the published state of a Triton."""
        return self._states.get(address)
