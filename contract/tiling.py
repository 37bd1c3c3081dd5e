"""Division of an image into square tiles, each of which is one item of an image tower's batch.

The rule is that of NVIDIA's Llama-Nemotron VL checkpoints: the grid whose shape and area fit the
image best, plus a thumbnail of the whole image if the grid has more than one tile.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

MAX_AREA_RATIO = 0.6
"""Area of a grid, as a fraction of the image's, beyond which a larger grid scores no higher.
Source: the processor of llama-nemotron-embed-vl-1b-v2."""


class Grid(NamedTuple):
    """A division into equal tiles.

    Attributes:
        columns: Tiles next to each other.
        rows: Tiles on top of each other.
    """

    columns: int
    rows: int

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return self.columns * self.rows


def choose_grid(width: int, height: int, size: int, max_tiles: int) -> Grid:
    """Return the grid for an image.

    Args:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        size: Width and height of a tile, in pixels.
        max_tiles: Maximum tiles of a grid, without the thumbnail.
    """
    ratio = width / height
    best, best_score = Grid(1, 1), -1.0
    for grid in _candidates(max_tiles):
        area = min(grid.tiles * size * size / (width * height), MAX_AREA_RATIO)
        shape = grid.columns / grid.rows
        score = area * min(shape / ratio, ratio / shape)
        if score > best_score:
            best, best_score = grid, score
    return best


@cache
def _candidates(max_tiles: int) -> tuple[Grid, ...]:
    """Return every grid of up to `max_tiles` tiles, in the order that decides ties.

    The reference sorts a set of pairs by area, so that the iteration order of CPython's sets
    decides between grids of equal area. It is the same in CPython 3.10 to 3.14.
    """
    grids = {
        (columns, rows)
        for n in range(1, max_tiles + 1)
        for columns in range(1, n + 1)
        for rows in range(1, n + 1)
        if columns * rows <= max_tiles
    }
    return tuple(sorted((Grid(*grid) for grid in grids), key=lambda grid: grid.tiles))
