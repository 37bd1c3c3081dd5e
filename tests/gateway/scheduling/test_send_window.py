"""Long lists share Triton with each other and leave room for short ones."""

from __future__ import annotations

import asyncio

from triton_embed.gateway.scheduling.send_window import (
    CALM_AFTER_SECONDS,
    CALM_FACTOR,
    FIRST_BYTES,
    ROUND_TRIP_SECONDS,
    SendWindow,
)

SIZES = [100] * 1000
PIECE = FIRST_BYTES // 2 // 100


def make_window() -> SendWindow:
    """Return a window that expects short requests."""
    window = SendWindow()
    window.expect_singles()
    return window


async def enters(window: SendWindow, due: float = 0.0, start: int = 0) -> asyncio.Task[int]:
    """Ask to enter, and let the window decide."""
    task = asyncio.create_task(window.enter(SIZES, start, 1000, due))
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def test_a_piece_is_half_the_window_and_two_are_inside() -> None:
    window = make_window()
    first = await window.enter(SIZES, 0, 1000, 0.0)
    second = await enters(window, start=first)
    third = await enters(window, start=2 * first)
    assert (first, second.result()) == (PIECE, 2 * PIECE)
    assert not third.done()
    window.leave(100 * PIECE, ROUND_TRIP_SECONDS)
    assert await third == 3 * PIECE


async def test_the_earliest_due_goes_first() -> None:
    window = make_window()
    full = [await enters(window) for _ in range(2)]
    assert all(task.done() for task in full)
    late, early = await enters(window, due=2.0), await enters(window, due=1.0)
    window.leave(100 * PIECE, ROUND_TRIP_SECONDS)
    await early
    assert not late.done()
    window.leave(100 * PIECE, ROUND_TRIP_SECONDS)
    await late


async def test_whoever_leaves_the_line_does_not_hold_it_up() -> None:
    window = make_window()
    for _ in range(2):
        await window.enter(SIZES, 0, 1000, 0.0)
    gone, called, last = [await enters(window, due=float(due)) for due in range(3)]
    gone.cancel()
    window.leave(100 * PIECE, ROUND_TRIP_SECONDS)
    called.cancel()
    await last
    assert gone.cancelled() and called.cancelled()


async def test_pieces_grow_while_others_wait_and_they_return_early() -> None:
    window = make_window()
    inside = [await window.enter(SIZES, 0, 1000, 0.0) for _ in range(2)]
    for _ in range(10):
        waiting = await enters(window)
        before = window.piece_bytes
        window.leave(100 * inside.pop(0), ROUND_TRIP_SECONDS / 10)
        assert window.piece_bytes > before
        inside.append(await waiting)


async def test_pieces_do_not_grow_while_nobody_waits_and_shrink_while_they_are_late() -> None:
    window = make_window()
    before = window.piece_bytes
    stop = await window.enter(SIZES, 0, 1000, 0.0)
    window.leave(100 * stop, ROUND_TRIP_SECONDS / 10)
    assert window.piece_bytes == before
    for _ in range(5):
        before = window.piece_bytes
        stop = await window.enter(SIZES, 0, 1000, 0.0)
        window.leave(100 * stop, ROUND_TRIP_SECONDS * 10)
        assert window.piece_bytes < before


async def test_a_piece_that_failed_makes_room_and_tells_nothing() -> None:
    window = make_window()
    before = window.piece_bytes
    for _ in range(2):
        await window.enter(SIZES, 0, 1000, 0.0)
    waiting = await enters(window)
    window.leave(100 * PIECE, None)
    assert await waiting == PIECE
    assert window.piece_bytes == before


async def test_a_text_larger_than_the_window_enters_alone() -> None:
    window = make_window()
    assert await window.enter([10**6, 1], 0, 1000, 0.0) == 1


async def test_a_piece_has_no_more_inputs_than_triton_takes() -> None:
    assert await make_window().enter(SIZES, 3, 7, 0.0) == 10


async def test_while_nobody_asks_for_little_pieces_are_larger() -> None:
    now = 0.0
    window = SendWindow(clock=lambda: now)
    calm = window.piece_bytes
    window.expect_singles()
    assert window.piece_bytes == calm / CALM_FACTOR
    now = CALM_AFTER_SECONDS + 1
    assert window.piece_bytes == calm


async def test_a_list_larger_than_a_small_piece_does_not_pass() -> None:
    assert not SendWindow().passes([FIRST_BYTES // 2] * 2, 2)
    assert not SendWindow().passes([1] * 3, 2)
    assert SendWindow().passes([50, 50], 2)
    assert SendWindow().passes([FIRST_BYTES], 2)


async def test_a_large_piece_may_take_as_much_longer() -> None:
    window = SendWindow()
    before = window.piece_bytes
    stop = await window.enter(SIZES, 0, 1000, 0.0)
    window.leave(100 * stop, ROUND_TRIP_SECONDS * CALM_FACTOR)
    assert window.piece_bytes == before
