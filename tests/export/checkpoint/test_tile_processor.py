from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testing.checkpoints import edit_json
from testing.nemotron_vl_checkpoint import SIZE, nemotron_vl_checkpoint
from triton_embed.contract.image_spec import ImageSpec, Resize, Transparency
from triton_embed.export.checkpoint.files import file_sizes
from triton_embed.export.checkpoint.preprocessor import Preprocessor
from triton_embed.export.checkpoint.reader import read_checkpoint
from triton_embed.export.checkpoint.tile_processor import read_tile_processor
from triton_embed.export.errors import ExportError
from triton_embed.export.families.llama_nemotron_vl import FAMILY


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return nemotron_vl_checkpoint(tmp_path / "nemotron")


def read(folder: Path, **changes: Any) -> Preprocessor:
    edit_json(folder / "processor_config.json", **changes)
    assert FAMILY.vision
    return read_tile_processor(read_checkpoint(folder, file_sizes(folder)), FAMILY.vision)


def test_tiles_and_normalization_are_those_of_the_processor(folder: Path) -> None:
    preprocessor = read(folder)
    assert preprocessor.spec == ImageSpec(
        SIZE,
        Resize.TILES,
        transparency=Transparency.DROP,
        max_tiles=6,
        thumbnail=True,
        tokens_per_tile=4,
    )
    assert preprocessor.mean == preprocessor.std == (0.5, 0.5, 0.5)


def test_missing_settings_are_those_of_the_published_usage(folder: Path) -> None:
    # The training configuration in config.json has 2 tiles and no thumbnail.
    spec = read(folder, max_input_tiles=None, use_thumbnail=None, norm_type=None).spec
    assert (spec.max_tiles, spec.thumbnail) == (6, True)


def test_image_is_one_tile_without_dynamic_size(folder: Path) -> None:
    spec = read(folder, dynamic_image_size=False).spec
    assert (spec.resize, spec.max_tiles, spec.thumbnail) == (Resize.STRETCH, 1, False)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("max_input_tiles", 40, "max_input_tiles is 40, but must be at most 31"),
        ("max_input_tiles", "6", "must be a whole number"),
        ("image_size", 9999, "image_size is 9999"),
        ("image_size", 96, "do not divide"),
        ("norm_type", "other", "one of siglip, imagenet"),
    ],
)
def test_unsupported_setting_is_rejected(
    folder: Path, name: str, value: object, message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        read(folder, **{name: value})


def test_prompts_and_token_limits_are_those_of_the_processor(folder: Path) -> None:
    edit_json(folder / "processor_config.json", passage_prefix="document:")
    checkpoint = read_checkpoint(folder, file_sizes(folder))
    assert checkpoint.prompts == {"query": "query: ", "passage": "document: "}
    assert (checkpoint.query_length, checkpoint.document_length) == (100, 200)
