from __future__ import annotations

import asyncio

import pytest

from triton_embed.gateway.large_bodies import PAUSE_FACTOR, LargeBodies


async def test_turns_follow_each_other_with_a_pause() -> None:
    events: list[str] = []
    loop = asyncio.get_running_loop()
    turns = LargeBodies(loop.time)
    ends: list[float] = []
    starts: list[float] = []

    async def parse(name: str) -> None:
        async with turns.turn():
            starts.append(loop.time())
            events.append(f"{name} begins")
            await asyncio.sleep(0.01)
            events.append(f"{name} ends")
            ends.append(loop.time())

    await asyncio.gather(parse("first"), parse("second"))
    assert events == ["first begins", "first ends", "second begins", "second ends"]
    assert starts[1] - ends[0] >= 0.9 * PAUSE_FACTOR * (ends[0] - starts[0])


async def test_request_does_not_wait_for_the_pause_after_its_own_turn() -> None:
    turns = LargeBodies(iter([0.0, 1000.0]).__next__)
    async with turns.turn():
        pass


async def test_failed_parsing_ends_the_turn() -> None:
    turns = LargeBodies(lambda: 0.0)
    with pytest.raises(ValueError, match="malformed"):
        async with turns.turn():
            raise ValueError("malformed")
    async with turns.turn():
        pass
