from __future__ import annotations

import random

import pytest

from triton_embed.contract.tiling import Grid, _candidates, choose_grid

PUBLISHED_ORDER = {
    2: "11 12 21",
    6: "11 12 21 31 13 41 14 22 15 51 61 23 16 32",
}
"""Columns and rows of each grid in the order that decides ties, for `max_tiles`."""


@pytest.mark.parametrize("max_tiles", PUBLISHED_ORDER)
def test_grids_are_tried_in_the_published_order(max_tiles: int) -> None:
    order = " ".join(f"{grid.columns}{grid.rows}" for grid in _candidates(max_tiles))
    assert order == PUBLISHED_ORDER[max_tiles]


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((100, 100), (1, 1)),
        ((660, 660), (1, 1)),
        ((662, 662), (2, 2)),
        ((640, 427), (3, 2)),
        ((3840, 2160), (3, 2)),
        ((1275, 1650), (2, 3)),
        ((8192, 16384), (2, 3)),
        ((300, 3000), (1, 6)),
        ((1, 5000), (1, 6)),
    ],
)
def test_grid_equals_the_checkpoint_processor(size: tuple[int, int], grid: tuple[int, int]) -> None:
    assert choose_grid(*size, size=512, max_tiles=6) == Grid(*grid)


def test_grid_of_2000_random_sizes_equals_the_published_rule() -> None:
    generator = random.Random(0)
    for _ in range(2000):
        width, height = generator.randint(1, 16384), generator.randint(1, 16384)
        assert choose_grid(width, height, 512, 6) == _published(width, height, 512, 6)


def _published(width: int, height: int, size: int, max_tiles: int) -> Grid:
    """Choose a grid as the formula in the processor of llama-nemotron-embed-vl-1b-v2 states it."""
    best, factor = (1, 1), float("-inf")
    aspect = width / height
    for pair in PUBLISHED_ORDER[max_tiles].split():
        i, j = map(int, pair)
        candidate = min(i * j * size * size / (width * height), 0.6) * min(
            (i / j) / aspect, aspect / (i / j)
        )
        if candidate > factor:
            best, factor = (i, j), candidate
    return Grid(*best)
