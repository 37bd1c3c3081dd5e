"""The models that one Triton has loaded."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic

import grpc

from triton_embed.contract.serialization import SpecError
from triton_embed.gateway.triton.model import LoadedModel
from triton_embed.gateway.triton.servers import Server
from triton_embed.gateway.triton.statistics import Statistics, has_fallen, has_restarted

logger = logging.getLogger("gateway")

MAX_CONFIG_AGE_SECONDS = 60.0
"""Age in seconds at which a configuration is requested again. The reload of an idle model is
detected within this time, unless it is published; the reload of a used model immediately, by its
counters."""


class Inventory:
    """The models of one Triton, with its statistics.

    Args:
        server: The Triton.
        clock: Returns seconds.

    Attributes:
        server: The Triton.
        reachable: True if it responded to the last refresh.
        restarts: Number of times that it became reachable again or its counters restarted.
        statistics: Its statistics.
        models: Its exported models.
    """

    def __init__(self, server: Server, clock: Callable[[], float] = monotonic) -> None:
        self.server = server
        self.reachable = False
        self.restarts = 0
        self.statistics: Statistics = {}
        self.models: list[LoadedModel] = []
        self._clock = clock
        self._failure = ""
        self._configs: dict[str, LoadedModel | None] = {}
        self._requested_at: dict[str, float] = {}
        self._rejected: dict[str, str] = {}
        self._expired_at = float("-inf")

    def expire(self) -> None:
        """Request all configurations again with the next refresh: models have changed."""
        self._expired_at = self._clock()

    async def refresh(self) -> None:
        """Request the statistics, and configurations that may have changed.

        The known models are kept while Triton does not respond.
        """
        try:
            statistics = await self.server.statistics()
            await self._request_configs(statistics)
            self._accept(statistics)
        except grpc.aio.AioRpcError as error:
            self._fail(f"{error.code().name}: {error.details()}")
        except Exception as error:
            # Another service may use the address now; keep the known models.
            self._fail(f"unexpected response: {error!r}")

    def _accept(self, statistics: Statistics) -> None:
        if self._failure or (self.reachable and has_restarted(self.statistics, statistics)):
            self.restarts += 1
        self.reachable = True
        self._failure = ""
        self.statistics = statistics
        self.models = [
            model for name in statistics if (model := self._configs.get(name)) is not None
        ]

    def _fail(self, failure: str) -> None:
        if failure != self._failure:
            logger.error("cannot read models from Triton at %s: %s", self.server.address, failure)
        self._failure = failure
        self.reachable = False

    async def _request_configs(self, statistics: Statistics) -> None:
        now = self._clock()
        due = [name for name in statistics if self._is_due(name, statistics, now)]
        configs = await asyncio.gather(*map(self.server.config, due))
        for name, config in zip(due, configs, strict=True):
            self._configs.pop(name, None)
            if config is None:
                continue
            try:
                self._configs[name] = LoadedModel.from_config(config)
                self._rejected.pop(name, None)
            except SpecError as error:
                self._configs[name] = None
                self._reject(name, str(error))
            self._requested_at[name] = now
        for name in self._configs.keys() - statistics.keys():
            del self._configs[name]

    def _is_due(self, name: str, statistics: Statistics, now: float) -> bool:
        if name not in self._configs or name not in self.statistics:
            return True
        requested_at = self._requested_at[name]
        if now - requested_at >= MAX_CONFIG_AGE_SECONDS or requested_at <= self._expired_at:
            return True
        return has_fallen(self.statistics[name], statistics[name])

    def _reject(self, name: str, reason: str) -> None:
        """Log the reason that an exported model is not served, once per reason."""
        if self._rejected.get(name) != reason:
            logger.error("model '%s' at %s is not served: it %s", name, self.server.address, reason)
        self._rejected[name] = reason
