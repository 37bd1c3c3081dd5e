from __future__ import annotations

import asyncio

import pytest

from triton_embed.contract.status import ModelState, PublishedModel
from triton_embed.serve.status_board import StatusBoard

LOADING = PublishedModel("a", ModelState.LOADING)
READY = PublishedModel("a", ModelState.READY)


async def test_generation_increases_only_with_a_change() -> None:
    board = StatusBoard()
    first = board.state.generation
    for models in ([LOADING], [LOADING], [READY], []):
        board.publish(models)
    assert board.state.generation == first + 3


async def test_generation_increases_across_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 5_000_000)
    before = StatusBoard()
    before.publish([LOADING])
    monkeypatch.setattr("time.time_ns", lambda: 9_000_000)
    assert StatusBoard().state.generation > before.state.generation


async def test_change_ends_every_wait() -> None:
    board = StatusBoard()
    generation = board.state.generation
    waits = [asyncio.ensure_future(board.wait(generation, 600)) for _ in range(2)]
    await asyncio.sleep(0)
    board.publish([READY])
    assert [state.models for state in await asyncio.gather(*waits)] == [(READY,)] * 2


async def test_wait_for_another_generation_ends_immediately() -> None:
    board = StatusBoard()
    for other in (-1, board.state.generation + 1):
        assert await board.wait(other, 600) is board.state


async def test_wait_without_a_change_ends_in_time() -> None:
    board = StatusBoard()
    assert await board.wait(board.state.generation, 0.01) is board.state


async def test_closed_board_ends_every_wait() -> None:
    board = StatusBoard()
    wait = asyncio.ensure_future(board.wait(board.state.generation, 600))
    await asyncio.sleep(0)
    board.close()
    await wait
    await board.wait(board.state.generation, 600)


async def test_board_is_ready_while_one_model_is_served() -> None:
    board = StatusBoard()
    assert not board.ready
    board.publish([LOADING, PublishedModel("b", ModelState.READY)])
    assert board.ready
    board.publish([LOADING, PublishedModel("b", ModelState.REPLACING)])
    assert not board.ready
    board.publish([LOADING, PublishedModel("b", ModelState.FAILED, serves_older=True)])
    assert board.ready
