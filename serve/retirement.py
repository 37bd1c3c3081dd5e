"""Removed models that stay loaded until their last requests have finished."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from triton_embed.repository.model import InstalledModel
from triton_embed.serve.admin_client import TritonAdmin
from triton_embed.serve.errors import TritonError

MAX_RETIREMENT_SECONDS = 30.0
"""Maximum time in seconds that a removed model stays loaded: longer than the gateway's
``--drain-seconds`` by default, which bounds requests at a stop, too."""

MIN_IDLE_CHECKS = 2
"""Number of consecutive checks, a second apart, between which no execution has finished, after
which a model is not in use. An execution of long texts may take more than a second."""


@dataclass(frozen=True)
class Retired:
    """A removed model.

    Attributes:
        model: The model.
        executions: Number of executions of its steps at the last check.
        idle_checks: Number of last checks that found no further execution.
        deadline: Time after which it is unloaded although it is in use.
    """

    model: InstalledModel
    executions: int
    idle_checks: int
    deadline: float


class Retirement:
    """The removed models that are still loaded.

    Gateways reject new requests for a removed model, and send the remaining chunks of requests
    that they have accepted. A model can be unloaded once no more executions finish.

    Args:
        client: The running Triton.
        clock: Returns seconds.
    """

    def __init__(self, client: TritonAdmin, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._clock = clock
        self._retired: dict[str, Retired] = {}

    def clear(self) -> None:
        """Forget all models: Triton has restarted."""
        self._retired.clear()

    async def add(self, model: InstalledModel) -> None:
        """Add a model that was removed from the repository."""
        deadline = self._clock() + MAX_RETIREMENT_SECONDS
        self._retired[model.name] = Retired(model, await self._executions(model), 0, deadline)

    async def finished(self, *, at_once: bool = False) -> list[InstalledModel]:
        """Return the models that can be unloaded now, once.

        Args:
            at_once: Return all of them.
        """
        done = []
        for name, retired in list(self._retired.items()):
            executions = await self._executions(retired.model)
            idle_checks = retired.idle_checks + 1 if executions == retired.executions else 0
            expired = self._clock() >= retired.deadline
            if at_once or expired or idle_checks >= MIN_IDLE_CHECKS:
                done.append(self._retired.pop(name).model)
            else:
                self._retired[name] = replace(
                    retired, executions=executions, idle_checks=idle_checks
                )
        return done

    async def _executions(self, model: InstalledModel) -> int:
        count = 0
        for step in model.steps:
            with suppress(TritonError):
                count += await self._client.execution_count(step)
        return count
