"""Joins short requests that come at the same moment into one request to Triton."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from triton_embed.contract.errors import InvalidRequest
from triton_embed.contract.options import Options
from triton_embed.gateway.triton.batch import EmbeddingBatch
from triton_embed.gateway.triton.client import InferenceClient
from triton_embed.gateway.triton.model import ServedModel

Key = tuple[ServedModel, Options, tuple[tuple[str, str], ...]]
"""What requests must have in common: model, options and trace."""


@dataclass
class _Group:
    """Requests that are sent together."""

    inputs: list[bytes] = field(default_factory=list)
    size: int = 0
    parts: list[tuple[slice, asyncio.Future[EmbeddingBatch]]] = field(default_factory=list)

    def add(self, inputs: Sequence[bytes], size: int) -> asyncio.Future[EmbeddingBatch]:
        answer: asyncio.Future[EmbeddingBatch] = asyncio.get_running_loop().create_future()
        start = len(self.inputs)
        self.inputs += inputs
        self.size += size
        self.parts.append((slice(start, len(self.inputs)), answer))
        return answer

    def has_room(self, inputs: int, size: int, most_inputs: int, most_bytes: int) -> bool:
        return len(self.inputs) + inputs <= most_inputs and self.size + size <= most_bytes


class MicroBatcher:
    """Sends what comes in one turn of the event loop together: nobody waits for more to come.

    Another request costs Triton and each of its steps more than another text in a request does.

    Args:
        triton: Where to.
    """

    def __init__(self, triton: InferenceClient) -> None:
        self._triton = triton
        self._groups: dict[Key, _Group] = {}
        self._sending: set[asyncio.Task[None]] = set()

    def embed(
        self,
        model: ServedModel,
        inputs: Sequence[bytes],
        options: Options,
        size: int,
        most: tuple[int, int],
    ) -> asyncio.Future[EmbeddingBatch]:
        """Embed `inputs`.

        A request that is wrong does not harm those that it was joined with. One whose future is
        cancelled is embedded all the same: a cancelled call can crash the Triton of the wheel.

        Args:
            model: The model to embed with.
            inputs: See `InferenceClient.embed`.
            options: The request's options.
            size: Bytes of the inputs.
            most: Inputs and bytes that requests may have together.

        Returns:
            What Triton answers, or an ApiError: it refused the request or could not answer it.
        """
        key = (model, options, self._triton.trace())
        group = self._groups.get(key)
        if group is None or not group.has_room(len(inputs), size, *most):
            group = self._groups[key] = _Group()
            self._send(key, group)
        return group.add(inputs, size)

    def _send(self, key: Key, group: _Group) -> None:
        task = asyncio.ensure_future(self._embed(key, group))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _embed(self, key: Key, group: _Group) -> None:
        # A task starts in the next turn of the event loop: until here others could join.
        if self._groups.get(key) is group:
            del self._groups[key]
        try:
            embedded = await self._triton.embed(key[0], group.inputs, *key[1:])
        except asyncio.CancelledError:
            # Nobody else could end those that wait.
            for _, answer in group.parts:
                answer.cancel()
            raise
        except Exception as error:
            if isinstance(error, InvalidRequest) and len(group.parts) > 1:
                # Which of them is wrong shows when each is sent alone.
                for part, answer in group.parts:
                    alone = _Group()
                    alone.inputs = group.inputs[part]
                    alone.parts = [(slice(None), answer)]
                    self._send(key, alone)
                return
            for _, answer in group.parts:
                if not answer.done():
                    answer.set_exception(error)
        else:
            for part, answer in group.parts:
                if not answer.done():
                    answer.set_result(embedded[part])
