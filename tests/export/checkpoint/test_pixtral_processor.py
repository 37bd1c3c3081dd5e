from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from testing.checkpoints import write_json
from triton_embed.contract.image_spec import ImageSpec, Resize
from triton_embed.export.checkpoint.model import Checkpoint
from triton_embed.export.checkpoint.preprocessor import Preprocessor
from triton_embed.export.errors import ExportError
from triton_embed.export.families.mistral3 import FAMILY

CONFIG = {"spatial_merge_size": 2, "vision_config": {"patch_size": 14}}


def read(folder: Path, config: dict[str, Any] = CONFIG, **files: dict[str, Any]) -> Preprocessor:
    for name, values in files.items():
        write_json(folder / f"{name}.json", values)
    assert FAMILY.vision
    return FAMILY.vision.read_preprocessor(Checkpoint(folder, folder, config), FAMILY.vision)


@pytest.mark.parametrize(
    "files",
    [
        {"processor_config": {"image_processor": {"size": {"longest_edge": 1540}}}},
        {
            "processor_config": {"patch_size": 14, "spatial_merge_size": 2},
            "preprocessor_config": {"size": {"height": 1540, "width": 1540}},
        },
        {"preprocessor_config": {"size": 1540, "resample": None}},
    ],
)
def test_preprocessing_is_read_from_files_of_each_version(
    tmp_path: Path, files: dict[str, dict[str, Any]]
) -> None:
    preprocessor = read(tmp_path, **files)
    assert preprocessor.spec == ImageSpec(
        28, Resize.FIT, longest_edge=1540, max_tiles=3025, tokens_per_tile=1
    )
    assert preprocessor.mean == (0.48145466, 0.4578275, 0.40821073)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"processor_config": {"patch_size": 16}}, "a token is a square of 28 pixels"),
        ({"preprocessor_config": {"size": {"height": 9, "width": 8}}}, "different maximums"),
        ({"preprocessor_config": {"size": {"longest_edge": 20}}}, "not between 28 and 4096"),
        ({"preprocessor_config": {"size": {"longest_edge": "a"}}}, "invalid literal"),
        ({"preprocessor_config": {"image_std": [0, 1, 1]}}, "not three numbers"),
        ({"preprocessor_config": {"resample": 5}}, "unsupported preprocessing"),
    ],
)
def test_unsupported_preprocessing_is_rejected(
    tmp_path: Path, files: dict[str, dict[str, Any]], message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        read(tmp_path, **files)
