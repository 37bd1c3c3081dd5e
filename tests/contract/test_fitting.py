from __future__ import annotations

import random

import numpy as np
import pytest

from triton_embed.contract.fitting import fit_grid, max_tiles, tile_positions
from triton_embed.contract.tiling import Grid


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((28, 28), (1, 1)),
        ((29, 28), (2, 1)),
        ((1, 1), (1, 1)),
        ((1540, 1540), (55, 55)),
        ((3080, 1540), (55, 28)),
        ((1275, 1650), (43, 55)),
        ((640, 427), (23, 16)),
        ((8192, 16384), (28, 55)),
    ],
)
def test_grid_equals_the_published_figures(size: tuple[int, int], grid: tuple[int, int]) -> None:
    assert fit_grid(*size, size=28, longest_edge=1540) == Grid(*grid)


@pytest.mark.torch
@pytest.mark.parametrize("longest_edge", [1024, 1540])
def test_grid_of_2000_random_sizes_equals_pixtrals_processor(longest_edge: int) -> None:
    from transformers.models.pixtral.image_processing_pil_pixtral import (
        get_resize_output_image_size,
    )

    generator = random.Random(longest_edge)
    for _ in range(2000):
        width, height = generator.randint(1, 16384), generator.randint(1, 16384)
        # Only the shape of the array is read.
        image = np.broadcast_to(np.uint8(0), (3, height, width))
        expected = get_resize_output_image_size(image, longest_edge, 28)
        grid = fit_grid(width, height, 28, longest_edge)
        if 0 in expected:
            assert 1 in grid
        else:
            assert (grid.rows * 28, grid.columns * 28) == expected
        assert grid.tiles <= max_tiles(28, longest_edge)


def test_image_without_a_pixel_left_keeps_a_tile() -> None:
    assert fit_grid(1, 5000, size=28, longest_edge=1540) == Grid(1, 55)


def test_positions_of_tiles_go_row_by_row_and_mark_the_last() -> None:
    assert tile_positions(Grid(2, 2)) == [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 1)]
    assert tile_positions(Grid(1, 1)) == [(0, 0, 1)]
