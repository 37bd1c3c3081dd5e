"""Size of an image for a tower that takes any aspect ratio.

The rule is that of Pixtral's processor: an image keeps its aspect ratio, is made smaller if a side
is too long, and never larger than whole tiles need.
"""

from __future__ import annotations

from triton_embed.contract.tiling import Grid


def fit_grid(width: int, height: int, size: int, longest_edge: int) -> Grid:
    """Return the tiles that an image becomes.

    Args:
        width: Width of the image, in pixels.
        height: Height of the image, in pixels.
        size: Width and height of a tile, in pixels.
        longest_edge: Maximum pixels of the longer side before it is extended to whole tiles.
    """
    ratio = max(height / longest_edge, width / longest_edge)
    if ratio > 1:
        # Pixtral's processor fails if an image is so narrow that no pixel would be left.
        height, width = (max(1, int(side / ratio)) for side in (height, width))
    return Grid(columns=-(-width // size), rows=-(-height // size))


def max_tiles(size: int, longest_edge: int) -> int:
    """Return the maximum tiles of an image."""
    return int((-(-longest_edge // size)) ** 2)


def tile_positions(grid: Grid) -> list[tuple[int, int, int]]:
    """Return the row and column of each tile, row by row, and 1 for the last tile, otherwise 0."""
    positions = [(row, column, 0) for row in range(grid.rows) for column in range(grid.columns)]
    return [*positions[:-1], (grid.rows - 1, grid.columns - 1, 1)]
