"""The models that requests can name, over all Tritons."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from triton_embed.contract.errors import ApiError, NotFound, Unavailable
from triton_embed.contract.options import InputType, abbreviated
from triton_embed.contract.pipeline import Role
from triton_embed.contract.status import ModelState, PublishedState
from triton_embed.gateway.triton.inventory import Inventory
from triton_embed.gateway.triton.model import LoadedModel, ServedModel
from triton_embed.gateway.triton.servers import Server, Servers
from triton_embed.gateway.triton.statistics import Phase, phases

logger = logging.getLogger("gateway")

RELOAD_SECONDS = 60.0
"""Time in seconds for a restarted Triton, or a Triton at a new address, to load its models. Until
then, a request for a previously known model is rejected as unavailable, not as unknown."""

MAX_REFRESH_SECONDS = 2.0
"""Time in seconds after which a refresh continues without the Tritons that have not responded: an
unreachable machine must not delay changes on reachable machines."""

NO_MODEL = "There is no model yet: none is loaded, or none was exported."

LOADING = "The model is being loaded; try again soon."


EXPECTED = (ModelState.LOADING, ModelState.REPLACING, ModelState.READY)
"""Published states of models that are served, or will be after they are loaded and the next
refresh has found them."""


class Publications(Protocol):
    """The published states of several Tritons; implemented by `PublicationWatch`.

    Attributes:
        changed: Called with the address of a Triton whose published state has changed.
    """

    changed: Callable[[str], None]

    def follow(self, addresses: Collection[str]) -> None:
        """Follow the Tritons at these addresses, and no others."""

    def state(self, address: str) -> PublishedState | None:
        """Return the published state of a Triton; ``None`` if there is none."""


@dataclass(frozen=True)
class Offer:
    """A model at one Triton.

    Attributes:
        inventory: The Triton.
        entry: The ensemble with all steps.
        text: The ensemble with all steps for texts; the entry if there is none.
        direct: The ensemble that ends with the encoder; `text` if there is none.
    """

    inventory: Inventory
    entry: LoadedModel
    text: LoadedModel
    direct: LoadedModel


class Catalog:
    """The models of all Tritons behind one target, which serve the same repository.

    They may differ while the repository changes. The catalog then lists the models of all Tritons,
    and requests go to the Tritons with the newest export of the model.

    The state that a supervisor publishes takes precedence over the models that its Triton lists: a
    model is used only after it is verified, and not while one of its processes is dead.

    Args:
        servers: The Tritons.
        publications: The published states.
        clock: Returns seconds.
    """

    def __init__(
        self,
        servers: Servers,
        publications: Publications,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._servers = servers
        self._publications = publications
        publications.changed = self._follow_publication
        self._clock = clock
        self._changed = asyncio.Event()
        self._check: asyncio.Task[None] | None = None
        self._inventories: dict[str, Inventory] = {}
        self._resolving: asyncio.Task[None] | None = None
        self._refreshing: dict[str, asyncio.Task[None]] = {}
        self._models: dict[str, ServedModel] = {}
        self._by_name: dict[str, ServedModel] = {}
        self._routes: dict[str, tuple[Server, ...]] = {}
        self._everywhere: set[str] = set()
        self._ready: set[str] = set()
        self._loading: set[str] = set()
        self._known_restarts: dict[str, int] = {}
        self._recovered_at = float("-inf")
        self._expected: set[str] = set()
        self._is_known = False
        self._removed_phases: dict[str, list[Phase]] = {}
        self._failure = ""

    @property
    def models(self) -> list[ServedModel]:
        """The served models, by id."""
        return [self._models[model_id] for model_id in sorted(self._models)]

    @property
    def ready(self) -> bool:
        """True while a responding Triton serves a model."""
        return bool(self._ready)

    def is_ready(self, name: str) -> bool:
        """Return whether a responding Triton serves the model that requests call `name`."""
        try:
            return self.resolve(name)[0].spec.model_id in self._ready
        except ApiError:
            return False

    def readiness(self) -> dict[str, bool]:
        """Return whether requests are served, by the id of each served or expected model."""
        return {model_id: model_id in self._ready for model_id in sorted(self._expected)}

    async def run(self, pause_seconds: float) -> None:
        """Refresh indefinitely: after a published change, or a pause."""
        while True:
            await self.refresh()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), pause_seconds)
            self._changed.clear()

    async def check(self, model: ServedModel) -> None:
        """Refresh, because a Triton did not know `model`, which may have been removed.

        Raises:
            NotFound: it was removed.
            Unavailable: it is being loaded.
        """
        self.resolve(model.spec.model_id)
        if self._check is None or self._check.done():
            self._check = asyncio.ensure_future(self.refresh())
        await asyncio.shield(self._check)
        self.resolve(model.spec.model_id)

    def _follow_publication(self, address: str) -> None:
        if address in self._inventories:
            self._inventories[address].expire()
            self._update()
            self._changed.set()

    async def refresh(self) -> None:
        """Request the state of every Triton; keep the last state of one that does not respond."""
        if self._resolving is None or self._resolving.done():
            self._resolving = asyncio.ensure_future(self._resolve())
        await asyncio.wait([self._resolving], timeout=MAX_REFRESH_SECONDS)
        self._follow_addresses()
        for address, inventory in self._inventories.items():
            if address not in self._refreshing or self._refreshing[address].done():
                self._refreshing[address] = asyncio.ensure_future(inventory.refresh())
        if self._refreshing:
            await asyncio.wait(self._refreshing.values(), timeout=MAX_REFRESH_SECONDS)
        self._update()

    async def _resolve(self) -> None:
        failure = ""
        try:
            await self._servers.refresh()
        except Exception as error:
            failure = str(error)
            if failure != self._failure:
                logger.error("Triton's address cannot be resolved: %s", failure)
        self._failure = failure

    def _follow_addresses(self) -> None:
        servers = {server.address: server for server in self._servers}
        for address in self._inventories.keys() - servers.keys():
            self._removed_phases[address] = _phases(self._inventories.pop(address))
            self._refreshing.pop(address).cancel()
        for address in servers.keys() - self._inventories.keys():
            self._removed_phases.pop(address, None)
            self._inventories[address] = Inventory(servers[address], self._clock)
        self._publications.follow(servers.keys())

    def _update(self) -> None:
        """Combine the models of all Tritons."""
        states = self._published_states()
        offers, parts = self._offers(states)
        models = {}
        routes = {}
        for model_id, candidates in offers.items():
            newest = _newest(candidates)
            models[model_id] = _served(newest[0])
            routes[model_id] = tuple(offer.inventory.server for offer in newest)
        self._ready = {
            model_id
            for model_id, candidates in offers.items()
            if any(offer.inventory.reachable for offer in candidates)
        }
        # While a model is replaced, Triton has steps of it but no ensemble: requests get a 503.
        for model_id in parts & self._models.keys() - models.keys():
            models[model_id] = self._models[model_id]
        published = {model_id for state in states.values() for model_id in state or ()}
        self._loading = published & models.keys() - routes.keys()
        self._log_changes(models)
        names = {name for model in models.values() for name in model.spec.names}
        self._expect(names | parts, is_known=None not in states.values())
        self._models = models
        self._by_name = _by_name(models)
        self._routes = routes
        # A Triton that is starting listens before it has its models, between two refreshes.
        known = {item.server for item in self._inventories.values()}
        self._everywhere = {model_id for model_id, having in routes.items() if known <= set(having)}

    def _published_states(self) -> dict[str, dict[str, ModelState] | None]:
        """Return the published state of each model, by address; ``None``: there is none."""
        states: dict[str, dict[str, ModelState] | None] = {}
        for address in self._inventories:
            published = self._publications.state(address)
            states[address] = (
                {model.model_id: model.state for model in published.models} if published else None
            )
        return states

    def _offers(
        self, states: Mapping[str, Mapping[str, ModelState] | None]
    ) -> tuple[dict[str, list[Offer]], set[str]]:
        """Return the offers of each model id, and the ids of models that are or will be loaded."""
        offers: defaultdict[str, list[Offer]] = defaultdict(list)
        parts: set[str] = set()
        for address, inventory in self._inventories.items():
            published = states[address]
            loaded = inventory.models
            if published is None:
                parts |= {model.model_id for model in loaded}
            else:
                parts |= {name for name, state in published.items() if state in EXPECTED}
                loaded = [
                    model
                    for model in loaded
                    if published.get(model.model_id, ModelState.LOADING) is not ModelState.LOADING
                ]
            roles = {(model.model_id, model.role): model for model in loaded}
            for (model_id, role), entry in roles.items():
                if role == Role.ENTRY:
                    text = roles.get((model_id, Role.TEXT), entry)
                    direct = roles.get((model_id, Role.DIRECT), text)
                    offers[model_id].append(Offer(inventory, entry, text, direct))
        return offers, parts

    def _log_changes(self, models: dict[str, ServedModel]) -> None:
        for model_id in models.keys() - self._models.keys():
            logger.info("serving %s", model_id)
        for model_id in self._models.keys() - models.keys():
            logger.info("no longer serving %s", model_id)

    def _expect(self, present: set[str], *, is_known: bool) -> None:
        """Update the models that exist or may return: after a restart, all known models.

        Args:
            present: Models that are, or will be, loaded.
            is_known: Whether every Triton has a published state, which lists all models.
        """
        self._is_known = is_known
        restarts = {address: item.restarts for address, item in self._inventories.items()}
        if self._models and restarts != self._known_restarts:
            self._recovered_at = self._clock()
        self._known_restarts = restarts
        reloading = self._clock() < self._recovered_at + RELOAD_SECONDS
        self._expected = (self._expected if reloading and not is_known else set()) | present

    def servers(self, model: ServedModel) -> Sequence[Server]:
        """Return the Tritons that have the newest export of `model`."""
        return self._routes.get(model.spec.model_id, ())

    def is_everywhere(self, model: ServedModel) -> bool:
        """Return whether every address, as far as known, has the newest export of `model`."""
        return model.spec.model_id in self._everywhere

    def phases(self) -> list[Phase]:
        """Return the time that requests have spent in the queues and steps of each Triton.

        A removed Triton keeps its last values, so that a sum over all Tritons never falls.
        """
        removed = [phase for gone in self._removed_phases.values() for phase in gone]
        return removed + [
            phase for inventory in self._inventories.values() for phase in _phases(inventory)
        ]

    def resolve(self, name: str) -> tuple[ServedModel, InputType | None]:
        """Return the model that a request names, and the input type that its suffix states.

        Names and suffixes may have any case. A model whose id itself ends in ``-query`` or
        ``-passage`` takes precedence over the suffix.

        Raises:
            NotFound: there is no such model; the message lists the served ones.
            Unavailable: no Triton was reached yet, none has a model, or this model is being loaded.
        """
        model = self._models.get(name) or self._by_name.get(name.lower())
        if model:
            return self._loaded(model), None
        for input_type in InputType:
            model = self._by_name.get(_without_suffix(name, input_type))
            if model:
                return self._loaded(model), input_type
        raise self._missing(name)

    def _loaded(self, model: ServedModel) -> ServedModel:
        if model.spec.model_id in self._loading:
            raise Unavailable(LOADING)
        return model

    def _missing(self, name: str) -> ApiError:
        expected = {name.lower() for name in self._expected} - self._by_name.keys()
        ids = {name.lower(), *(_without_suffix(name, input_type) for input_type in InputType)}
        if ids & expected:
            return Unavailable(LOADING)
        if not self._models and not self._is_known:
            return Unavailable(NO_MODEL)
        names = sorted({name for each in self._models.values() for name in each.spec.names})
        known = ", ".join(f"'{name}'" for name in names)
        available = f"Available models are: {known}" if known else "No model is available"
        return NotFound(
            f"The model {abbreviated.repr(name)} does not exist. {available}.",
            param="model",
            code="model_not_found",
        )


def _by_name(models: Mapping[str, ServedModel]) -> dict[str, ServedModel]:
    """Return the models by their names in lower case; an id takes precedence over an alias."""
    aliases = {name.lower(): each for each in models.values() for name in each.spec.aliases}
    return aliases | {model_id.lower(): model for model_id, model in models.items()}


def _without_suffix(name: str, input_type: InputType) -> str:
    return name.lower().removesuffix(f"-{input_type.value}")


def _newest(offers: Sequence[Offer]) -> list[Offer]:
    """Return the offers of the newest export, of Tritons that respond if there are any."""
    offers = [offer for offer in offers if offer.inventory.reachable] or list(offers)
    newest = max(offer.entry.exported_at for offer in offers)
    return [offer for offer in offers if offer.entry.exported_at == newest]


def _served(offer: Offer) -> ServedModel:
    assert offer.entry.spec is not None, "an entry has a spec"
    return ServedModel(
        spec=offer.entry.spec,
        name=offer.entry.name,
        text_name=offer.text.name,
        direct_name=offer.direct.name,
        max_batch_size=offer.entry.max_batch_size,
        exported_at=offer.entry.exported_at,
    )


def _phases(inventory: Inventory) -> list[Phase]:
    return list(phases(inventory.server.address, inventory.models, inventory.statistics))
