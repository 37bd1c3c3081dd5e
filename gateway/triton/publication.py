"""The states that supervisors publish next to their Tritons, received by long polls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress

import aiohttp

from triton_embed.contract.status import LONG_POLL_SECONDS, STATUS_PATH, PublishedState
from triton_embed.runtime.addresses import join_host_port, split_host_port

CONNECT_TIMEOUT_SECONDS = 5.0
"""Maximum time in seconds to connect: a firewall may drop packets to a closed port."""

RESPONSE_MARGIN_SECONDS = 10.0
"""Time in seconds after `LONG_POLL_SECONDS` until a supervisor is treated as unreachable: a machine
that has failed does not close its connections."""

RETRY_SECONDS = 2.0
"""Pause in seconds after a failed poll: a Triton that no supervisor runs never responds there."""

REPEAT_SECONDS = 0.1
"""Pause in seconds after a response without a change: protects a server that never waits."""


class PublicationWatch:
    """Follows the published state of several Tritons.

    Must be created inside a running event loop.

    Args:
        port: Port of the supervisors, on the machines of the Tritons.

    Attributes:
        changed: Called with the address of a Triton whose published state has changed or is no
            longer available.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        timeout = aiohttp.ClientTimeout(
            total=LONG_POLL_SECONDS + RESPONSE_MARGIN_SECONDS, connect=CONNECT_TIMEOUT_SECONDS
        )
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        self._states: dict[str, PublishedState] = {}
        self._polls: dict[str, asyncio.Task[None]] = {}
        self.changed: Callable[[str], None] = lambda address: None

    def state(self, address: str) -> PublishedState | None:
        """Return the published state of the Triton at `address`; ``None`` if there is none."""
        return self._states.get(address)

    def follow(self, addresses: Collection[str]) -> None:
        """Follow the Tritons at these addresses, each ``HOST:PORT``, and no others."""
        for address in self._polls.keys() - set(addresses):
            self._polls.pop(address).cancel()
            self._states.pop(address, None)
        for address in addresses:
            if address not in self._polls:
                self._polls[address] = asyncio.ensure_future(self._poll(address))

    async def _poll(self, address: str) -> None:
        """Follow one Triton until this is canceled."""
        try:
            host = split_host_port(address)[0]
        except ValueError:
            return  # The address is not HOST:PORT, for example a Unix socket.
        url = f"http://{join_host_port(host, self._port)}{STATUS_PATH}"
        while True:
            before = self._states.get(address)
            try:
                state = await self._request(url, before.generation if before else -1)
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError):
                self._set(address, None)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if before and state.generation == before.generation:
                await asyncio.sleep(REPEAT_SECONDS)
            else:
                self._set(address, state)

    async def _request(self, url: str, generation: int) -> PublishedState:
        """Return the state after `generation`.

        Raises:
            ClientError: there is no response, or one with an error.
            ValueError: the response is not a published state.
        """
        parameters = {"after": str(generation)}
        async with self._session.get(url, params=parameters, raise_for_status=True) as response:
            return PublishedState.from_json(await response.read())

    def _set(self, address: str, state: PublishedState | None) -> None:
        if state == self._states.get(address):
            return
        if state:
            self._states[address] = state
        else:
            del self._states[address]
        self.changed(address)

    async def close(self) -> None:
        """End all polls."""
        polls = list(self._polls.values())
        for poll in polls:
            poll.cancel()
        for poll in polls:
            with suppress(asyncio.CancelledError):
                await poll
        await self._session.close()
