"""The properties of an image model that decoding and cost depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from triton_embed.contract.booleans import read_boolean, write_boolean
from triton_embed.contract.fitting import fit_grid
from triton_embed.contract.image_file import ImageFile
from triton_embed.contract.tiling import Grid, choose_grid

PREFIX = "image_"

MAX_TILES = 32
"""Maximum tiles of one execution of an image tower, if no image has more: enough to occupy a GPU,
and few enough that their activations fit into memory next to the other models."""


class Resize(str, Enum):
    """Conversion of an image of any size to tiles."""

    STRETCH = "stretch"
    """To one tile, whatever the aspect ratio (SigLIP)."""
    CROP = "crop"
    """The shorter side to `ImageSpec.shortest_edge`, then a square crop at the center (CLIP)."""
    TILES = "tiles"
    """To a grid of tiles and a thumbnail, see `contract.tiling` (Llama-Nemotron VL)."""
    FIT = "fit"
    """To a grid of any shape and at most `ImageSpec.longest_edge`, see `contract.fitting`
    (Pixtral)."""


class Resample(str, Enum):
    """The filter of a resize."""

    BILINEAR = "bilinear"
    BICUBIC = "bicubic"


class Transparency(str, Enum):
    """The treatment of transparent pixels."""

    DROP = "drop"
    """Their own color becomes visible."""
    WHITE = "white"
    """They are put on a white background."""


@dataclass(frozen=True)
class ImageSpec:
    """The preprocessing of images, which is part of a model as its tokenizer is.

    Attributes:
        size: Width and height of a tile, in pixels.
        resize: See `Resize`.
        resample: See `Resample`.
        transparency: See `Transparency`.
        shortest_edge: Length of the shorter side before a crop, in pixels.
        longest_edge: Maximum length of the longer side, in pixels, if the grid is fitted.
        max_tiles: Maximum tiles of a grid, without the thumbnail.
        thumbnail: Whether an image of several tiles is followed by a tile that shows all of it.
        tokens_per_tile: Patches of a tile, or tokens of the language model that stand for it.
    """

    size: int
    resize: Resize
    resample: Resample = Resample.BICUBIC
    transparency: Transparency = Transparency.WHITE
    shortest_edge: int = 0
    longest_edge: int = 0
    max_tiles: int = 1
    thumbnail: bool = False
    tokens_per_tile: int = 0

    def grid(self, width: int, height: int) -> Grid:
        """Return the grid of an image of `width` × `height` pixels."""
        if self.resize is Resize.FIT:
            return fit_grid(width, height, self.size, self.longest_edge)
        if self.resize is not Resize.TILES:
            return Grid(1, 1)
        return choose_grid(width, height, self.size, self.max_tiles)

    def tiles(self, file: ImageFile) -> int:
        """Return the number of tiles that an image becomes, the thumbnail included."""
        tiles = self.grid(file.width, file.height).tiles
        return tiles + (self.thumbnail and tiles > 1)

    def token_grid(self, file: ImageFile) -> Grid:
        """Return the columns and rows of the tokens that stand for an image.

        A tile has a row of tokens, or, in a fitted grid, one token.
        """
        if self.resize is Resize.FIT:
            return self.grid(file.width, file.height)
        return Grid(columns=self.tokens_per_tile, rows=self.tiles(file))

    @property
    def max_image_tokens(self) -> int:
        """Maximum tokens that stand for an image."""
        return (self.max_tiles + self.thumbnail) * self.tokens_per_tile

    @property
    def max_batch_tiles(self) -> int:
        """Maximum tiles of one execution of the tower."""
        return max(MAX_TILES, self.max_tiles + self.thumbnail)

    @property
    def max_nbytes(self) -> int:
        """Maximum bytes of the tiles of one image."""
        return (self.max_tiles + self.thumbnail) * 3 * self.size**2

    def to_parameters(self) -> dict[str, str]:
        """Return the spec as Triton model parameters, whose names begin with `PREFIX`."""
        values = {
            "size": str(self.size),
            "resize": self.resize.value,
            "resample": self.resample.value,
            "transparency": self.transparency.value,
            "shortest_edge": str(self.shortest_edge),
            "longest_edge": str(self.longest_edge),
            "max_tiles": str(self.max_tiles),
            "thumbnail": write_boolean(self.thumbnail),
            "tokens_per_tile": str(self.tokens_per_tile),
        }
        return {f"{PREFIX}{name}": value for name, value in values.items()}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> ImageSpec:
        """Read the spec back from Triton model parameters.

        Raises:
            KeyError: a parameter is missing.
            ValueError: a parameter is malformed.
        """
        own = {name: parameters[f"{PREFIX}{name}"] for name in cls.__dataclass_fields__}
        return cls(
            size=int(own["size"]),
            resize=Resize(own["resize"]),
            resample=Resample(own["resample"]),
            transparency=Transparency(own["transparency"]),
            shortest_edge=int(own["shortest_edge"]),
            longest_edge=int(own["longest_edge"]),
            max_tiles=int(own["max_tiles"]),
            thumbnail=read_boolean(own["thumbnail"]),
            tokens_per_tile=int(own["tokens_per_tile"]),
        )
